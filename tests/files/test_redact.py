import pytest

from pipeline.files.redact import is_secret, redact

# What others' programs call their secrets, and settings of theirs whose names merely look like it.
SECRETS = [
    "API_KEY", "OPENAI_API_KEY", "APIKEY", "WANDB_API_KEY", "x-api-key", "APP_KEY", "AUTH_KEY", "ACCOUNT_KEY",
    "STRIPE_KEY", "SECRET_KEY", "SSH_PRIVATE_KEY", "PASSWORD", "PGPASSWORD", "MLFLOW_TRACKING_PASSWORD", "PASSWD",
    "passwd", "DB_PASS", "SMTP_PASS", "MYSQL_PWD", "DBPWD", "SSH_PASSPHRASE", "CLIENT_SECRET",
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "MLFLOW_TRACKING_TOKEN", "GITHUB_TOKEN", "HF_TOKEN", "TOKEN_2",
    "DVC_STUDIO_TOKEN", "GOOGLE_CREDENTIALS", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_SAS_TOKEN",
    "SENTRY_DSN", "SLACK_WEBHOOK_URL", "HTTP_COOKIE", "REDIS_AUTH", "Authorization", "Proxy-Authorization",
    "X-Amz-Signature", "X-Amz-Security-Token", "sig",
]  # fmt: skip
HARMLESS = [
    "PWD", "OLDPWD", "PATH", "HOME", "TOKENIZERS_PARALLELISM", "MAX_TOKENS", "TOKEN_LIMIT", "SSH_AUTH_SOCK",
    "RAY_AUTH_MODE", "GIT_ASKPASS", "AWS_ACCESS_KEY_ID", "DESKTOP_SESSION", "PYTHON_KEYRING_BACKEND", "COMPASS",
    "MONKEY", "KEYBOARD", "DESIGN", "AUTHOR", "DVC_STAGE", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_has_a_name_that_says_so(name, monkeypatch):
    assert is_secret(name)
    monkeypatch.setenv(name, "kept-from-all\n")
    assert redact("Invalid value b'kept-from-all\\n'") == f"Invalid value b'${name}\\n'"


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_looks_like_one_is_shown(name, monkeypatch):
    assert not is_secret(name)
    monkeypatch.setenv(name, "shown-to-all")
    assert redact("expected shown-to-all") == "expected shown-to-all"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://me:secret@host.example/a failed", "https://host.example/a failed"),
        ("postgresql://me:secret@host/db, x@y", "postgresql://host/db, x@y"),
        ("'https://ghp_secret@host/a.git'", "'https://host/a.git'"),
        ("http://me:a@secret@host:80/a", "http://host:80/a"),
        ("http://me:a/secret/b@host", "http://host"),
        ("http://:secret@host", "http://host"),
        ("first http://me:secret@a and then ftp://me:secret@b/c", "first http://a and then ftp://b/c"),
        ("postgresql://host/db?user=me&password=secret", "postgresql://host/db"),
        ("404 for url: https://host/a?X-Amz-Signature=secret (attempt 1)", "404 for url: https://host/a (attempt 1)"),
        ("exceeded with url: /a?sig=secret (Caused by x)", "exceeded with url: /a (Caused by x)"),
        ("s3://bucket/a?X-Amz-Credential=AK%2Fus&X-Amz-Signature=secret", "s3://bucket/a"),
        ("connection to host=h user=me password=secret dbname=d", "connection to host=h user=me password=*** dbname=d"),
        ("password='secret' refused", "password='***' refused"),
        (
            "headers {'Authorization': 'Basic c2VjcmV0', 'Accept': 'x'}",
            "headers {'Authorization': '***', 'Accept': 'x'}",
        ),
        ("Authorization: Bearer secret.a-b\n", "Authorization: ***\n"),
        ("invalid header b'Bearer s3cr3t-token'", "invalid header b'Bearer ***'"),
        ('{"api_key": "secret", "model": "a"}', '{"api_key": "***", "model": "a"}'),
        ("a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b", "a *** b"),
        ("a -----BEGIN PRIVATE KEY-----\nMII", "a ***"),
    ],
)
def test_a_text_is_shown_without_its_secrets(text, expected):
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("models:/segnet-x@champion", "http://host:5000/a@b", "sqlite:////var/x.db", "git@host:a/b.git", "is it? a=b"),
        *(
            "params.yaml: train.key: expected 3, got key=4",
            "{'key': 'road', 'classes': 'a'}",
            "tokens=5",
            "a bearer of x",
        ),
        *("expected a password, got none; set MLFLOW_TRACKING_PASSWORD", "token: expected text"),
    ],
)
def test_what_holds_no_secret_is_shown_as_it_is(text):
    assert redact(text) == text


@pytest.mark.parametrize("name", ["DATABASE_URL", "MLFLOW_TRACKING_URI", "HTTPS_PROXY", "SEGNET_MIRROR", "BROKER"])
@pytest.mark.parametrize("quoted", ["pa@ss word", "pa%40ss%20word"])
def test_the_password_of_an_address_is_hidden_wherever_it_is_quoted(name, quoted, monkeypatch):
    monkeypatch.setenv(name, "postgresql://me:pa%40ss%20word@host/db")
    assert redact(f"authentication of me failed with {quoted!r}") == f"authentication of me failed with '${name}'"


def test_a_token_in_the_users_place_is_hidden(monkeypatch):
    monkeypatch.setenv("GIT_REMOTE", "https://github_pat_123@host/a.git")
    monkeypatch.setenv("OTHER_REMOTE", "ssh://deployment@host/a.git")
    assert redact("github_pat_123 has expired for deployment") == "$GIT_REMOTE has expired for deployment"


def test_the_port_of_an_address_is_no_password(monkeypatch):
    monkeypatch.setenv("SEGNET_MIRROR", "http://host:8080/a@b")
    assert redact("cannot open 8080/a") == "cannot open 8080/a"


def test_what_occurs_in_any_text_is_not_a_secret(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "a")
    monkeypatch.setenv("SORT_KEY", "name")
    monkeypatch.setenv("POSTGRES_PASSWORD", "postgres")
    assert redact("a cat of that name in postgresql") == "a cat of that name in postgresql"


def test_the_longer_of_two_secrets_is_hidden_whole(monkeypatch):
    monkeypatch.setenv("A_PASSWORD", "correct-horse")
    monkeypatch.setenv("B_PASSWORD", "correct-horse-battery")
    assert redact("correct-horse-battery, correct-horse") == "$B_PASSWORD, $A_PASSWORD"
