"""What servers say in place of an answer, in the words and shapes that users report."""

import json
from typing import Any

import pytest

from vlfeedback.errors import AccessError, InvalidValueError, QuotaSpentError, UnknownNameError
from vlfeedback.vlms.client.api_key import APIKey
from vlfeedback.vlms.client.error_bodies import ErrorBody
from vlfeedback.vlms.client.problems import Asked, Problem, Remedy
from vlfeedback.vlms.client.server_errors import no_completion, no_connection, problem_of

EVERYTHING = Asked(
    "http://here/v1",
    "some-model",
    APIKey(),
    frozenset(
        ["token_field", "response_format", "top_logprobs", "temperature", "no_thinking", "pictures"]
    ),
)


def openai(message: str, **more: Any) -> str:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error", **more}})


def gemini(message: str, *details: Any) -> str:
    status = "RESOURCE_EXHAUSTED"
    error = {"code": 429, "message": message, "status": status, "details": list(details)}
    return json.dumps([{"error": error}])


def quota(of: str) -> Any:
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaId": f"GenerateRequestsPer{of}PerProjectPerModel-FreeTier"}],
    }


DELAY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}


@pytest.mark.parametrize(
    ("status", "body", "feature"),
    [
        (
            400,
            openai(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                "'max_completion_tokens' instead.",
                param="max_tokens",
                code="unsupported_parameter",
            ),
            "token_field",
        ),
        (
            400,
            openai(
                "Unsupported value: 'temperature' does not support 0 with this model. Only the "
                "default (1) value is supported.",
                param="temperature",
                code="unsupported_value",
            ),
            "temperature",
        ),
        (400, openai("Unrecognized request argument supplied: logprobs"), "top_logprobs"),
        (403, openai("You are not allowed to request logprobs from this model."), "top_logprobs"),
        (
            400,
            json.dumps(
                {
                    "object": "error",
                    "message": "Requested sample logprobs of 20, which is greater than max "
                    "allowed: 5",
                    "type": "BadRequestError",
                    "param": None,
                    "code": 400,
                }
            ),
            "top_logprobs",
        ),
        (
            400,
            "{\"error\":\"'response_format.type' must be 'json_schema' or 'text'\"}",
            "response_format",
        ),
        (
            400,
            gemini('Invalid JSON payload received. Unknown name "logprobs": Cannot find field.'),
            "top_logprobs",
        ),
        (
            422,
            '{"detail": "extra fields not permitted: chat_template_kwargs"}',
            "no_thinking",
        ),
        (
            400,
            gemini("Budget 0 is invalid. This model only works in thinking mode."),
            "no_thinking",
        ),
    ],
)
def test_a_field_that_is_refused_is_named(status: int, body: str, feature: str) -> None:
    problem = problem_of(status, {}, body, EVERYTHING)
    assert (problem.remedy, problem.feature) == (Remedy.LEAVE_OUT, feature)


def test_a_field_that_was_not_sent_is_not_left_out() -> None:
    asked = Asked("http://here/v1", "some-model", APIKey(), frozenset(["token_field"]))
    problem = problem_of(400, {}, openai("logprobs are not supported"), asked)
    assert problem.remedy is Remedy.GIVE_UP
    assert problem.text == (
        "The server refused the question to 'some-model'. http://here/v1 answered 400: logprobs "
        "are not supported."
    )


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, openai("Incorrect API key provided"), AccessError),
        (403, openai("Country not supported"), AccessError),
        (400, gemini("API key not valid. Please pass a valid API key."), AccessError),
        (404, openai("The model `some-model` does not exist."), UnknownNameError),
        (404, "not found", UnknownNameError),
        (429, openai("You exceeded your quota", code="insufficient_quota"), QuotaSpentError),
        (400, openai("Limit", code="billing_hard_limit_reached"), QuotaSpentError),
        (402, '{"detail": "Payment required"}', QuotaSpentError),
        (429, gemini("You exceeded your quota.", quota("Day"), DELAY), QuotaSpentError),
        (429, gemini("Quota exceeded for metric: requests, limit: 0, model: x"), QuotaSpentError),
        (400, openai("image_url is only supported by certain models."), InvalidValueError),
        (400, '{"error":"Model does not support images. Please ..."}', InvalidValueError),
        (400, openai("this model does not support image input (ref: b8bd630e)"), InvalidValueError),
        (400, openai("facebook/opt-125m is not a multimodal model None"), InvalidValueError),
        (500, openai("image input is not supported by this server"), InvalidValueError),
        (500, openai('Unsupported content part type: "image_url"'), InvalidValueError),
        (400, openai("At most 1 image(s) may be provided in one request."), InvalidValueError),
        (413, "Request Entity Too Large", InvalidValueError),
        (400, openai("Image exceeds the maximum size of 20 MB."), InvalidValueError),
    ],
)  # fmt: skip
def test_what_no_question_would_get_past_stops_all(
    status: int, body: str, error: type[Exception]
) -> None:
    problem = problem_of(status, {}, body, EVERYTHING)
    assert problem.remedy is Remedy.STOP
    assert type(problem.error) is error
    assert "some-model" in str(problem.error) or "http://here/v1" in str(problem.error)


@pytest.mark.parametrize(
    ("body", "advice"),
    [
        ("At most 1 image(s) may be provided in one request.", "--limit-mm-per-prompt"),
        ("Image exceeds the maximum size of 20 MB.", "make them smaller"),
        ("Model does not support images.", "name a vision-language model"),
    ],
)
def test_errors_about_pictures_say_what_to_do(body: str, advice: str) -> None:
    assert advice in problem_of(400, {}, openai(body), EVERYTHING).text


@pytest.mark.parametrize(
    ("headers", "body", "wait_s"),
    [
        ({"retry-after": "7"}, openai("Rate limit reached", code="rate_limit_exceeded"), 7.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, openai("Rate limit reached"), 0.25),
        ({}, openai("Rate limit reached"), None),
        ({}, gemini("You exceeded your current quota.", quota("Minute"), DELAY), 34.0),
        ({}, gemini("Resource has been exhausted (e.g. check quota)."), None),
        ({}, "slow down", None),
    ],
)
def test_a_rate_limit_is_waited_for(
    headers: dict[str, str], body: str, wait_s: float | None
) -> None:
    problem = problem_of(429, headers, body, EVERYTHING)
    assert (problem.remedy, problem.wait_s) == (Remedy.WAIT, wait_s)


def test_a_wait_of_an_hour_is_no_rate_limit() -> None:
    problem = problem_of(429, {"retry-after": "3600"}, openai("Rate limit reached"), EVERYTHING)
    assert type(problem.error) is QuotaSpentError
    assert "wait for 3600 s" in problem.text


@pytest.mark.parametrize(
    "message",
    [
        "The request queue size is exceeded.",
        "Provisioned throughput is exceeded, and requests are not supported.",
        "The image could not be read in time.",
    ],
)
def test_a_server_in_trouble_says_nothing_about_pictures(message: str) -> None:
    assert problem_of(503, {}, openai(message), EVERYTHING).remedy is Remedy.REPEAT


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 529])
def test_a_server_that_fails_is_asked_again(status: int) -> None:
    problem = problem_of(status, {"retry-after": "2"}, "<html>Bad gateway</html>", EVERYTHING)
    assert (problem.remedy, problem.wait_s) == (Remedy.REPEAT, 2.0)
    assert problem.text == f"http://here/v1 answered {status}: <html>Bad gateway</html>."


def test_a_server_that_asks_not_to_be_asked_again_is_not() -> None:
    problem = problem_of(500, {"x-should-retry": "false"}, openai("broken"), EVERYTHING)
    assert problem.remedy is Remedy.GIVE_UP


@pytest.mark.parametrize("code", ["content_filter", "content_policy_violation"])
def test_a_filter_is_a_refusal_and_no_fault(code: str) -> None:
    problem = problem_of(400, {}, openai("The response was filtered.", code=code), EVERYTHING)
    assert problem.remedy is Remedy.ACCEPT


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        (
            "This model's maximum context length is 4096 tokens. However, you requested 5000 "
            "tokens. Please reduce the length of the messages or max_tokens.",
            "fewer or smaller pictures",
        ),
        ("max_tokens is too large: 90000. It supports at most 9 tokens.", "Allow the answer less"),
        ("Could not decode the image.", "refused the question to 'some-model'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_one_question_stops_no_other(message: str, advice: str) -> None:
    problem = problem_of(400, {}, openai(message), EVERYTHING)
    assert problem.remedy is Remedy.GIVE_UP
    assert advice in problem.text


def test_a_key_in_an_error_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    asked = Asked("http://here/v1", "some-model", APIKey(), frozenset())
    said = "sk-secret is wrong"
    problems: list[Problem] = [
        problem_of(401, {}, openai(said), asked),
        problem_of(500, {}, said, asked),
        no_connection(said, asked, reached=False),
        no_connection(said, asked, reached=True),
        no_completion(said, asked),
    ]
    for problem in problems:
        assert "*** is wrong" in problem.text
        assert "sk-secret" not in f"{problem!r} {problem.error}"


@pytest.mark.parametrize(
    ("body", "message", "codes", "param"),
    [
        (openai("No.", code="c", param="p"), "No", {"c", "invalid_request_error"}, "p"),
        ('{"object": "error", "message": "No", "type": "T", "code": 400}', "No", {"t", "400"}, ""),
        ('[{"error": {"message": "No", "status": "S"}}]', "No", {"s"}, ""),
        ('{"error": "No"}', "No", set(), ""),
        ('{"detail": "No"}', "No", set(), ""),
        ('"No"', "No", set(), ""),
        ("<html>No</html>", "<html>No</html>", set(), ""),
        ("", "nothing", set(), ""),
        ("[]", "[]", set(), ""),
        ("x" * 600, "x" * 500, set(), ""),
        ("[" * 100_000, "[" * 500, set(), ""),
    ],
)
def test_errors_of_every_shape_are_read(
    body: str, message: str, codes: set[str], param: str
) -> None:
    error = ErrorBody.read(body)
    assert (error.message, set(error.codes), error.param) == (message, codes, param)
