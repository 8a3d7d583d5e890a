import os

import requests


def test_order() -> None:
    response = requests.get(f"{os.environ['SHOP_URL']}/order", timeout=300)
    assert response.status_code in (500, 503) or response.json() == {"ordered": 1}
