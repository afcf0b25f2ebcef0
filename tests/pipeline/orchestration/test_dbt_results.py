from headwater_dagster.dbt_results import read_failure


def result(unique_id, status, message=None, failures=None):
    return {"unique_id": unique_id, "status": status, "message": message, "failures": failures}


PASSED = result("model.headwater.fct_orders", "success", "MERGE (3 rows)")
SKIPPED = result("model.headwater.daily_sales", "skipped")
TEST = result("test.headwater.fct_orders_key.0a1b", "fail", "Got 2 results, configured to fail if != 0", 2)
ERROR = result("model.headwater.dim_stores", "error", "TrinoConnectionError\n  failed to execute")
WARNED = result("test.headwater.animals_are_known.0a", "warn", "Got 1 result", 1)


def test_nothing_failed():
    assert read_failure({"results": [PASSED, SKIPPED, WARNED]}) is None


def test_wrong_data_is_named_and_not_tried_again():
    failure = read_failure({"results": [PASSED, TEST, SKIPPED]})
    assert str(failure) == "test fct_orders_key failed: 2 rows; Got 2 results, configured to fail if != 0"
    assert not failure.may_pass_again


def test_an_error_is_named_first_and_tried_again():
    failure = read_failure({"results": [TEST, ERROR]})
    assert str(failure).startswith("model dim_stores failed: TrinoConnectionError failed to execute\n")
    assert failure.may_pass_again
