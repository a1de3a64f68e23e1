"""The page of problems: as the code has them, none left out."""

from api.describing import described
from tests.api.houses import every_route
from tests.reference import problems


def test_the_page_is_as_the_code_has_it():
    assert problems.PAGE.read_text() == problems.page(), "run `make reference`"


def test_every_problem_that_an_operation_may_end_with_is_on_the_page():
    page = problems.page()
    document = described(every_route(), version="1.2.3")
    told = {
        (code, status)
        for methods in document["paths"].values()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        for code in response.get("x-problems", ())
    }

    assert len(told) > 40
    assert {code for code, status in told if f"| `{code}` | {status} |" not in page} == set()
