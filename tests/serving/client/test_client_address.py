"""Where a model is: the URLs that `connect` takes, and what it refuses before anything is sent."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from fake_server import TOY, URL, FakeServer

import tfner
from tfner.exceptions import ConfigError
from tfner.serving.client.address import parse_address
from tfner.serving.client.options import Options
from tfner.serving.client.rest_transport import RestTransport
from tfner.serving.client.synchronous import remote_recognizer


class TestAddress:
    @pytest.mark.parametrize(
        ("url", "choice", "path"),
        [
            ("http://h:8501/v1/models/toy", {}, "/v1/models/toy:predict"),
            ("http://h:8501/v1/models/toy/", {}, "/v1/models/toy:predict"),
            (
                "https://[::1]/ner/v1/models/toy",
                {"version": 3},
                "/ner/v1/models/toy/versions/3:predict",
            ),
            ("http://h/v1/models/toy", {"version": 0}, "/v1/models/toy/versions/0:predict"),
            ("http://h/v1/models/toy", {"label": "canary"}, "/v1/models/toy/labels/canary:predict"),
            ("http://h/v1/models/toy/versions/12", {}, "/v1/models/toy/versions/12:predict"),
            ("http://h/v1/models/toy/labels/canary/", {}, "/v1/models/toy/labels/canary:predict"),
        ],
    )
    def test_becomes_the_path_that_the_server_knows(self, url, choice, path):
        server = FakeServer()
        address = parse_address(url, **choice)
        transport = RestTransport(address, Options(), httpx.MockTransport(server))
        assert remote_recognizer(address, Options(), transport)("Anna") == TOY("Anna")
        assert server.requests[0].url.path == path

    def test_is_what_the_card_knows(self):
        assert tfner.connect("https://h/v1/models/toy", label="canary").card == {
            "name": "toy", "url": "https://h/v1/models/toy/labels/canary", "label": "canary",
        }  # fmt: skip
        address = parse_address("grpc://[::1]:8500/my%20model/versions/4")
        assert (address.host, address.name, address.version, address.is_grpc) == (
            "[::1]:8500",
            "my model",
            4,
            True,
        )
        assert replace(address, login=None).url == "grpc://[::1]:8500/my%20model/versions/4"

    @pytest.mark.parametrize(
        "url",
        [
            "", "host", "host:8501/v1/models/toy", "ftp://h/v1/models/toy", "http://h", "http://h/v1/models/",
            "http:///v1/models/toy",
            "http://h:port/v1/models/toy", "http://h/v1/models/toy:predict", "http://h/v1/models/toy?x=1",
            "http://h/v1/models/toy#x",
            "http://h/v1/models/toy/versions/new", "http://h/v1/models/toy/versions/1/labels/x",
            "grpc://h/toy", "grpc://h:8500",
            "grpc://h:8500/v1/models/toy", "grpc://me:x@h:8500/toy", "http://[::1/v1/models/toy",
        ],
    )  # fmt: skip
    def test_of_another_form_is_refused(self, url):
        with pytest.raises(ConfigError, match=r"^expected http\[s\]://HOST"):
            tfner.connect(url)

    @pytest.mark.parametrize("host", ["a\x00b", "xn--\u200d", "a" * 300 + "\u00fc"])
    def test_with_a_host_that_is_none_is_refused(self, host):
        with pytest.raises(ConfigError):
            tfner.connect(f"http://{host}/v1/models/toy")

    @pytest.mark.parametrize(
        ("url", "choice", "message"),
        [
            (
                URL,
                {"version": 1, "label": "x"},
                "expected one choice of a version or label, got 1 and 'x'",
            ),
            (f"{URL}/versions/2", {"version": 2}, "got 2 and 2"),
            (f"{URL}/labels/x", {"version": 2}, "got 'x' and 2"),
            (URL, {"version": -1}, "expected a whole number as version, got -1"),
            (URL, {"version": "3"}, "expected a whole number as version, got '3'"),
            (URL, {"label": "a/b"}, "expected a label without / and :"),
        ],
    )
    def test_with_a_choice_that_is_none_is_refused(self, url, choice, message):
        with pytest.raises(ConfigError, match=message):
            tfner.connect(url, **choice)

    @pytest.mark.parametrize(
        "option",
        [
            {"timeout": 0},
            {"retries": -1},
            {"texts_per_request": 0},
            {"bytes_per_request": 0},
            {"timeout": float("nan")},
        ],
    )
    def test_with_an_option_out_of_range_is_refused(self, option):
        with pytest.raises(ConfigError, match=f"^{next(iter(option))}: expected "):
            tfner.connect(URL, **option)

    def test_with_authorities_that_cannot_be_read_is_refused(self, tmp_path):
        for name in ("none.pem", "bad.pem"):
            (tmp_path / "bad.pem").write_text("nonsense")
            with pytest.raises(ConfigError, match=f"{name}: cannot be read as PEM certificates"):
                tfner.connect("https://h/v1/models/toy", ca_file=str(tmp_path / name))
