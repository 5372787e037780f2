"""What the client does when a server refuses, breaks off or says nothing: try again where that is
safe, else say what was wrong."""

from __future__ import annotations

import httpx
import pytest
from fake_server import TOY, URL, FakeServer, Sleeper, connected, refusal
from hypothesis import given
from hypothesis import strategies as st

from tfner.exceptions import ConfigError, ServerError
from tfner.serving.client.address import parse_address
from tfner.serving.client.options import Options
from tfner.serving.client.retry import pause_after


def busy(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(
        status, content=refusal("The batch scheduling queue is full"), headers=headers
    )


class TestRetries:
    @pytest.mark.parametrize(
        "problem",
        [
            busy(429), busy(502), busy(503), httpx.ConnectError("refused"),
            httpx.ReadError("reset"),
            httpx.WriteError("reset"),
            httpx.RemoteProtocolError("closed"), httpx.ConnectTimeout("slow"),
            httpx.WriteTimeout("slow"),
        ],
    )  # fmt: skip
    def test_follow_what_passes(self, problem):
        server, sleeper = FakeServer(TOY, problem, problem), Sleeper()
        assert connected(server, sleep=sleeper)("Anna") == TOY("Anna")
        assert len(server.requests) == 3
        assert len(sleeper.pauses) == 2
        assert 0.1 <= sleeper.pauses[0] <= 0.2 <= sleeper.pauses[1] <= 0.4

    @pytest.mark.parametrize(
        "problem",
        [
            busy(400), busy(401), busy(404), busy(500), busy(504), busy(408),
            httpx.ReadTimeout("slow"), httpx.LocalProtocolError("illegal header"),
        ],
    )  # fmt: skip
    def test_do_not_follow_what_stays_wrong_or_may_still_be_at_work(self, problem):
        server, sleeper = FakeServer(TOY, problem), Sleeper()
        with pytest.raises(ServerError) as caught:
            connected(server, sleep=sleeper)("Anna")
        assert (len(server.requests), sleeper.pauses, caught.value.transient) == (1, [], False)

    @pytest.mark.parametrize("problem", [busy(504), busy(408), httpx.ReadTimeout("slow")])
    def test_follow_a_time_out_where_asked_for(self, problem):
        server = FakeServer(TOY, problem)
        assert connected(server, retry_timeouts=True)("Anna") == TOY("Anna")
        assert len(server.requests) == 2

    @pytest.mark.parametrize("retries", [0, 1, 4])
    def test_are_bounded(self, retries):
        server, sleeper = FakeServer(TOY, *[httpx.ConnectError("refused")] * 9), Sleeper()
        with pytest.raises(ServerError) as caught:
            connected(server, sleep=sleeper, retries=retries)("Anna")
        assert len(server.requests) == len(sleeper.pauses) + 1 == retries + 1
        assert str(caught.value) == f"{URL}: cannot be reached: refused" + (
            f" (tried {retries + 1} times)" if retries else ""
        )
        assert caught.value.transient

    def test_of_one_request_leave_the_others_alone(self):
        server = FakeServer(TOY)
        ner = connected(server, texts_per_request=1)
        ner("Anna")
        server.script = [busy(503)]
        assert ner.batch(["Bo", "Anna"]) == TOY.batch(["Bo", "Anna"])
        assert server.sent == [[b"Anna"], [b"Anna"], [b"Anna"], [b"Bo"]]  # the longest first

    @pytest.mark.parametrize(
        ("asked", "waited"),
        [
            ("3", 3.0),
            ("0", 0.2),
            ("3600", 5.0),
            ("Wed, 21 Oct 2015 07:28:00 GMT", 0.2),
            ("-1", 0.2),
        ],
    )
    def test_wait_as_long_as_the_server_asks_within_the_limit(self, asked, waited):
        sleeper = Sleeper()
        connected(
            FakeServer(TOY, busy(503, **{"Retry-After": asked})), sleep=sleeper, longest_pause=5
        )("Anna")
        assert sleeper.pauses == [pytest.approx(waited, rel=0.5)]
        assert sleeper.pauses[0] <= waited

    @given(
        st.integers(1, 12), st.floats(0, 1, exclude_max=True), st.floats(0.001, 1), st.floats(1, 30)
    )
    def test_pause_longer_each_time_up_to_a_limit(self, failures, draw, first, longest):
        options = Options(retries=12, first_pause=first, longest_pause=longest)
        pause = pause_after(ServerError("x", transient=True), failures, options, lambda: draw)
        full = min(longest, first * 2 ** (failures - 1))
        assert full / 2 <= pause <= full
        assert pause_after(
            ServerError("x", transient=True), failures, options, lambda: 0.0
        ) == pytest.approx(full / 2)


class TestErrors:
    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b'{"error": "Servable not found"}', "Servable not found"),
            (
                refusal("Missing 'inputs' \"key\" \\ for\nÅse"),
                "Missing 'inputs' \"key\" \\ for Åse",
            ),
            (b"<html>\n <b>Bad gateway</b></html>", "<html> <b>Bad gateway</b></html>"),
            (b"", "Not Found"),
            (b'{"error": 7}', '{"error": 7}'),
            (b"\xff\x1b[31m", "\ufffd\u241b[31m"),
            (b"x" * 5000, "x" * 1000),
        ],
    )
    def test_say_what_the_server_says(self, body, message):
        with pytest.raises(ServerError) as caught:
            connected(FakeServer(TOY, httpx.Response(404, content=body)))("Anna")
        assert str(caught.value) == f"{URL}: HTTP 404: {message}"

    def test_say_where_a_model_has_moved(self):
        with pytest.raises(ServerError, match=r"HTTP 301: moved to https://host/"):
            connected(FakeServer(TOY, httpx.Response(301, headers={"Location": "https://host/"})))(
                "Anna"
            )

    def test_say_what_came_instead_of_an_answer(self):
        with pytest.raises(
            ServerError, match=r'expected a JSON object with outputs, got {"predictions": 1}'
        ):
            connected(FakeServer(TOY, httpx.Response(200, content=b'{"predictions":\n 1}')))("Anna")
        with pytest.raises(ServerError, match="HTTP 304: Not Modified"):
            connected(FakeServer(TOY, httpx.Response(304)))("Anna")

    def test_say_which_time_was_up(self):
        with pytest.raises(ServerError, match=r"no answer within 60 s$"):
            connected(FakeServer(TOY, httpx.ReadTimeout("")))("Anna")
        with pytest.raises(ServerError, match=r"no connection within 0\.5 s$"):
            connected(FakeServer(TOY, httpx.ConnectTimeout("")), retries=0, connect_timeout=0.5)(
                "Anna"
            )

    def test_name_the_url_without_the_password(self):
        for problem in (busy(400), httpx.ConnectError("refused")):
            with pytest.raises(ServerError) as caught:
                connected(
                    FakeServer(TOY, problem), url="http://me:secret@host/v1/models/toy", retries=0
                )("Anna")
            assert str(caught.value).startswith("http://host/v1/models/toy: ")
            assert "secret" not in str(caught.value)
        with pytest.raises(ConfigError) as caught:
            parse_address("http://me:secret@host/v1/toy")
        assert "secret" not in str(caught.value)
