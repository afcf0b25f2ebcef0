"""The month's estimate: what is priced, what is not, and what a change does to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from review import preview, program
from review.cost import report, tables
from review.cost.estimate import Estimate, estimate
from review.cost.parts import RULES
from review.resources import UNKNOWN, Resource
from tests.unit.review.conftest import registered

PRICES = tables.prices("us-east-1")
USAGE = tables.usage("default")
AWS = {"headwater:aws": '{"region": "us-east-1"}'}


def month(*resources: Resource) -> Estimate:
    return estimate(resources, PRICES, USAGE)


def database(**inputs: Any) -> Resource:
    good = {"instanceClass": "db.t4g.small", "allocatedStorage": 20.0, "storageType": "gp3", "multiAz": False}
    return Resource("aws:rds/instance:Instance", "db", good | inputs)


def test_a_second_zone_is_paid_for() -> None:
    """A Multi-AZ database estimated at half of its bill."""
    one, two = month(database()), month(database(multiAz=True))
    assert one.total == pytest.approx(730 * 0.032 + 20 * 0.115)
    assert two.total == pytest.approx(2 * one.total)


def test_an_endpoint_is_paid_for_in_each_zone() -> None:
    """Eight endpoints in three zones, 175 dollars a month, estimated at a third."""
    inputs = {"vpcEndpointType": "Interface", "subnetIds": [UNKNOWN, UNKNOWN, UNKNOWN]}
    found = month(Resource("aws:ec2/vpcEndpoint:VpcEndpoint", "sts", inputs))
    assert found.total == pytest.approx(3 * 730 * 0.01 + USAGE.endpoint_gb * 0.01)
    assert month(Resource("aws:ec2/vpcEndpoint:VpcEndpoint", "s3", {"vpcEndpointType": "Gateway"})).total == 0


def cluster(kind: str = "Deployment") -> list[Resource]:
    """Return a cluster of Auto Mode with a node pool and one server of a core and 3 GiB."""
    asked = {"requests": {"cpu": "1", "memory": "3Gi"}}
    template = {"spec": {"containers": [{"name": "app", "resources": asked}]}}
    arm = {"requirements": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}]}
    pool = {"template": {"metadata": {"labels": {}}, "spec": arm}, "limits": {"cpu": "8"}}
    return [
        Resource("aws:eks/cluster:Cluster", "eks", {"computeConfig": {"enabled": True}}),
        Resource("kubernetes:karpenter.sh/v1:NodePool", "all", {"metadata": {"name": "all"}, "spec": pool}),
        Resource("kubernetes:eks.amazonaws.com/v1:NodeClass", "c", {"spec": {"ephemeralStorage": {"size": "100Gi"}}}),
        Resource(
            f"kubernetes:apps/v1:{kind}", "server", {"metadata": {"name": "server"}, "spec": {"template": template}}
        ),
    ]


def test_a_larger_request_shows_in_the_difference() -> None:
    """A pull request that doubles a server's memory, "no change" of the bill: the node is no resource."""
    small, large = cluster(), cluster()
    container = large[-1].inputs["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"requests": {"cpu": "1", "memory": "12Gi"}}
    same = [preview.Change("same", each, each) for each in small[:-1]]
    made = changes(*same, preview.Change("update", large[-1], small[-1]), same=len(same))
    line = report.difference("default", made)
    assert line is not None
    assert f"+${730 * (0.1071 - 0.0816) * 1.12:.2f} a month" in line


def test_a_cluster_whose_pods_are_not_listed_is_not_priced() -> None:
    """The largest part of the bill missing from a total that looks whole."""
    found = month(cluster()[0])
    assert "no node pool is listed" in found.unpriced[0]


def test_the_master_passwords_secret_and_old_keys_are_paid_for() -> None:
    """RDS makes a secret of its own, and each rotation of a key costs as much as the key."""
    own = month(database(manageMasterUserPassword=True)).total - month(database()).total
    assert own == pytest.approx(0.40)
    kind = "aws:kms/key:Key"
    rotated = month(Resource(kind, "k", {"enableKeyRotation": True})).total - month(Resource(kind, "k")).total
    assert rotated == pytest.approx(USAGE.key_rotations * 1.00)


def test_only_what_is_named_is_large() -> None:
    """A terabyte in the bucket of artefacts, and 20 GB of logs about upgrades of the database."""
    prod = tables.usage("prod")
    kind = "aws:s3/bucket:Bucket"
    lake, artefacts = (estimate([Resource(kind, name)], PRICES, prod).total for name in ("lake", "artefacts"))
    assert lake > 1000 * 0.023 > 50 * artefacts
    logs = "aws:cloudwatch/logGroup:LogGroup"
    assert month(Resource(logs, "database-upgrade-logs")).total < 0.1 < month(Resource(logs, "flow-logs")).total


def test_a_cluster_is_its_control_plane_its_nodes_and_the_fee() -> None:
    """The largest part of the bill, nodes that are no resources, left out."""
    found = month(*cluster())
    # Two cores and 8 GiB hold a pod of a core and 3 GiB: m7g.large.
    node = 0.0816 * 730
    assert found.total == pytest.approx(73 + node + node * 0.12 + 100 * 0.08)
    assert "m7g.large    all: server" in "\n".join(found.nodes)


def test_who_sleeps_pays_for_the_hours_awake_and_for_what_stays() -> None:
    """Staging told its price around the clock; or told that a night costs nothing, while a node and disks stay."""
    config = {"headwater:aws": '{"region": "us-east-1", "schedule": {"wake": "08:00", "sleep": "20:00"}}'}
    asleep = report.assumptions("default", config)
    assert asleep.awake == pytest.approx(60 / 168)
    assert report.assumptions("default", AWS).awake == 1
    found = estimate([database()], PRICES, asleep)
    assert found.total == pytest.approx(730 * 0.032 * 60 / 168 + 20 * 0.115)
    always, sometimes = month(*cluster()).total, estimate(cluster(), PRICES, asleep).total
    assert sometimes == pytest.approx(73 + (always - 73) * 60 / 168)
    # A StatefulSet does not sleep, and its node stays.
    kept = cluster(kind="StatefulSet")
    assert estimate(kept, PRICES, asleep).total == pytest.approx(month(*kept).total)


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (database(instanceClass="db.x2g.16xlarge"), "no price rds.db.x2g.16xlarge"),
        (database(instanceClass=UNKNOWN), "instanceClass is not known"),
        (Resource("aws:redshift/cluster:Cluster", "dwh"), "no price is known for aws:redshift/cluster:Cluster"),
        (Resource("aws:eks/cluster:Cluster", "eks"), "no node group is priced"),
    ],
)
def test_what_has_no_price_is_listed_never_free(resource: Resource, said: str) -> None:
    """An estimate that looks low because its dearest resource silently counts 0."""
    found = month(resource)
    assert said in found.unpriced[0]
    assert "Not priced: 1" in report.screen("prod", found, PRICES, USAGE)


def test_a_public_load_balancer_pays_for_its_addresses() -> None:
    """An address in each of three zones, eleven dollars a month, that the estimate leaves out."""
    kind, subnets = "aws:lb/loadBalancer:LoadBalancer", [UNKNOWN, UNKNOWN, UNKNOWN]
    inside = month(Resource(kind, "web", {"internal": True, "subnets": subnets}))
    outside = month(Resource(kind, "web", {"internal": False, "subnets": subnets}))
    assert outside.total - inside.total == pytest.approx(3 * 730 * 0.005)


def test_a_workloads_disks_count_by_replica() -> None:
    """A database in the cluster whose volumes nobody sees on the bill's estimate."""
    claim = {"spec": {"resources": {"requests": {"storage": "20Gi"}}}}
    spec = {"replicas": 3.0, "volumeClaimTemplates": [claim]}
    assert month(Resource("kubernetes:apps/v1:StatefulSet", "pg", {"spec": spec})).total == pytest.approx(60 * 0.08)


def changes(*made: preview.Change, same: int = 0) -> preview.Preview:
    counts = dict.fromkeys(preview.ORDER, 0) | {"same": same}
    return preview.Preview(made, counts, config=AWS)


def test_the_difference_is_after_less_before() -> None:
    """A larger instance told as its whole price, or a deletion told as more."""
    before, after = database(), database(instanceClass="db.t4g.medium")
    wider = report.difference("x", changes(preview.Change("update", after, before)))
    assert wider is not None
    assert f"+${730 * (0.065 - 0.032):.2f} a month" in wider
    gone = report.difference("x", changes(preview.Change("delete", before, before)))
    assert gone is not None
    assert "\N{MINUS SIGN}$25.66 a month" in gone


def test_the_difference_says_what_it_could_not_price() -> None:
    """ "no change" for a resource that nobody can price."""
    line = report.difference("x", changes(preview.Change("create", database(instanceClass=UNKNOWN))))
    assert line is not None
    assert "not priced: 1 that change" in line


def test_the_whole_month_is_told_only_when_the_whole_stack_is_listed() -> None:
    """A preview of one changed resource that says the stack costs as much as that one."""
    change = preview.Change("create", database())
    listed, cut = report.difference("x", changes(change)), report.difference("x", changes(change, same=40))
    assert listed is not None
    assert cut is not None
    assert "of about $26" in listed
    assert "of about" not in cut


def test_a_stack_that_aws_does_not_bill_has_no_cost_line() -> None:
    """ "Cost: no change of about $0" below every preview of one machine's stack, or of an emulator's."""
    local = preview.Preview((preview.Change("create", database()),), dict.fromkeys(preview.ORDER, 0))
    assert report.difference("dev", local) is None
    emulated = replace(local, config={"headwater:aws": '{"region": "us-east-1", "endpoint": "http://moto:5000"}'})
    assert report.difference("localstack", emulated) is None


def test_another_regions_prices_are_not_taken_for_its_own() -> None:
    """A stack in São Paulo estimated with Virginia's prices, without a word."""
    table = tables.prices("sa-east-1")
    assert "There is no table for sa-east-1" in report.screen("x", month(database()), table, USAGE)


def test_tables_name_what_is_wrong_in_them(tmp_path: Path) -> None:
    """A mistyped assumption that is ignored; a price of 0, or one from nowhere."""
    file = tmp_path / "usage.yaml"
    file.write_text("default: {buckets_gb: 5}\n")
    with pytest.raises(ValueError, match=r"default\.buckets_gb is not known"):
        tables.usage("default", file)
    file.write_text("default: {gb: {Bucket lake: -1}}\n")
    with pytest.raises(ValueError, match=r"default\.gb="):
        tables.usage("default", file)
    file.write_text("default: {hours: -1}\n")
    with pytest.raises(ValueError, match=r"default\.hours=-1"):
        tables.usage("default", file)
    file.write_text("as_of: x\nregions: {r: {kms.key: {usd: 0, per: month, source: x}}}\n")
    with pytest.raises(ValueError, match=r"r kms\.key"):
        tables.prices("r", file)


def test_every_stack_is_estimated_without_credentials(stack: str) -> None:
    """A type that a stack began to use, and that the estimate leaves out."""
    resources = registered(stack)
    where = report.region(program.configuration(stack))
    if where is not None:
        found = estimate(resources, tables.prices(where), tables.usage(stack))
        assert list(found.unpriced) == []
        assert found.total > 0


def test_the_command_says_whose_month_it_is() -> None:
    """The estimate of one stack taken for another's."""
    assert "AWS bills nothing for dev" in report.of_stack("dev")[0]


def test_every_rule_names_prices_that_the_table_has() -> None:
    """A price renamed in the table: the resource is "not priced" from then on."""
    inputs = {
        "computeConfig": {"enabled": True}, "vpcEndpointType": "Interface", "subnetIds": [UNKNOWN],
        "addonName": "amazon-cloudwatch-observability",
        "subnets": [UNKNOWN], "instanceClass": "db.t4g.small", "allocatedStorage": 20, "storageType": "gp3",
        "spec": {"type": "LoadBalancer", "ingressClassName": "alb", "resources": {"requests": {"storage": "1Gi"}}},
    }  # fmt: skip
    pool = cluster()[1:3]
    assert month(*pool, *(Resource(each, "x", inputs) for each in RULES)).unpriced == ()
