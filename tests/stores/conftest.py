import pytest

pytest.register_assert_rewrite("store_contract")
pytest.register_assert_rewrite("people_contract")
