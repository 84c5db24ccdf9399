import pytest
from starlette.responses import PlainTextResponse

from fsrcnn.errors import InputError
from fsrcnn.serving.guard import Guard
from fsrcnn.serving.server import token_from
from fsrcnn.serving.work import Work
from tests.serving.asgi import ask

WORKER = 1


def guard(token=None, unsent=0, queue=1):
    work = Work(WORKER, queue)
    return Guard(PlainTextResponse("done"), work, {"/upscale": 10}, 100, lambda: unsent, token), work


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        ("Bearer secre", 401),
        ("Bearer secret2", 401),
        ("Basic secret", 401),
        ("Bearer secret", 200),
        ("bearer secret", 200),
    ],
)
def test_token(given, status):
    headers = {} if given is None else {"Authorization": given}
    answer = ask(guard("secret")[0], "POST", "/upscale", b"abc", headers)
    assert answer[0] == status
    assert ("www-authenticate" in answer[1]) == (status == 401)
    assert b"secret" not in answer[2]


def test_other_paths_need_no_token():
    assert ask(guard("secret")[0], "GET", "/healthz")[0] == 200


def test_where_the_token_comes_from(tmp_path, monkeypatch):
    monkeypatch.delenv("FSRCNN_TOKEN", raising=False)
    assert token_from(None) is None
    monkeypatch.setenv("FSRCNN_TOKEN", "of-the-environment")
    assert token_from(None) == "of-the-environment"
    path = tmp_path / "token"
    path.write_text("of-a-file\n")
    assert token_from(path) == "of-a-file"
    for wrong in ("", "two words", "line\nline", "größer"):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(InputError) as error:
            token_from(path)
        assert not wrong or wrong not in str(error.value)
    with pytest.raises(InputError, match="no token can be read"):
        token_from(tmp_path / "absent")
    monkeypatch.setenv("FSRCNN_TOKEN", "")
    with pytest.raises(InputError, match="FSRCNN_TOKEN"):
        token_from(None)


def test_bytes_are_bounded():
    app, _ = guard()
    assert ask(app, "POST", "/upscale", bytes(10))[0] == 200
    assert ask(app, "POST", "/upscale", bytes(11))[0] == 413
    assert ask(app, "POST", "/upscale", b"", {"Content-Length": "11"})[0] == 413


def test_a_full_queue_is_503():
    app, work = guard()
    with work.place(), work.place():
        status, headers, _ = ask(app, "POST", "/upscale")
        assert (status, headers["retry-after"]) == (503, "1")
        assert ask(app, "GET", "/healthz")[0] == 200
    assert ask(app, "POST", "/upscale")[0] == 200
    assert work.taken == 0


def test_answers_that_nobody_takes_are_bounded():
    assert ask(guard(unsent=100)[0], "POST", "/upscale")[0] == 200
    assert ask(guard(unsent=101)[0], "POST", "/upscale")[0] == 503
