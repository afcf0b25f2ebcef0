"""A Singer tap for payments in Stripe."""
