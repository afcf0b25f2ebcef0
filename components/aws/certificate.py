"""A certificate for the pages behind a load balancer, validated by DNS records in the zone of their names."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.aws.account import Account, tags

COMPONENT = "serving"
VALIDATION_TTL = 300


class Certificate(pulumi.ComponentResource):
    """A certificate of AWS Certificate Manager, which renews it; `arn` is known once the names are proven ours."""

    def __init__(
        self,
        name: str,
        account: Account,
        zone: str,
        hosts: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("headwater:aws:Certificate", name, None, opts)
        first, *others = hosts
        certificate = aws.acm.Certificate(
            name,
            domain_name=first,
            subject_alternative_names=others,
            validation_method="DNS",
            tags=tags(COMPONENT, first),
            opts=account.child(self),
        )
        records = [self._record(name, account, zone, host, certificate) for host in hosts]
        proven = aws.acm.CertificateValidation(
            f"{name}-validation",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn for record in records],
            opts=account.child(self),
        )
        self.arn: pulumi.Output[str] = proven.certificate_arn
        self.register_outputs({"arn": self.arn})

    def _record(
        self, name: str, account: Account, zone: str, host: str, certificate: aws.acm.Certificate
    ) -> aws.route53.Record:
        # Which of the options is which host's is said in them, not by their order.
        asked = certificate.domain_validation_options.apply(
            lambda options: next(option for option in options if option.domain_name == host)
        )
        return aws.route53.Record(
            f"{name}-{host.partition('.')[0]}",
            zone_id=zone,
            name=asked.apply(lambda option: str(option.resource_record_name)),
            type=asked.apply(lambda option: str(option.resource_record_type)),
            records=[asked.apply(lambda option: str(option.resource_record_value))],
            ttl=VALIDATION_TTL,
            # Left over by a certificate of the same name: the record is the same for one account and name.
            allow_overwrite=True,
            opts=account.child(self),
        )
