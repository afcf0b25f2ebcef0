"""Which of the shop's customers run a pet shop, and where those have their addresses."""

CUSTOMERS_PER_ACCOUNT = 20
"""Every 20th customer, from the first on, runs a pet shop that buys wholesale: an account in Salesforce."""
ADDRESS_OF_ITS_OWN = 3
"""One account in so many is known to the shop, too, by an address at its own domain."""


def domain(account: int) -> str:
    """The domain of an account's web site and of its addresses."""
    return f"petshop-{account}.example"


def company_domain(customer: int) -> str | None:
    """The domain at which a customer has its address because of its pet shop; None for all others."""
    account, rest = divmod(customer - 1, CUSTOMERS_PER_ACCOUNT)
    return domain(account + 1) if rest == 0 and (account + 1) % ADDRESS_OF_ITS_OWN == 0 else None
