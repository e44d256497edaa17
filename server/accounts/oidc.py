"""Login at an OpenID Connect issuer: the way there, and what somebody brings back.

Authorization code flow with PKCE, by Authlib. What comes back is believed as a bearer's web token is: the same keys,
algorithms, clocks and table of meanings (`issuers`, `web_tokens`); only the audience is this server as a client.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from server.accounts.issuer_keys import CannotFetch, describe
from server.accounts.issuers import BrowserLogin, Issuer
from server.accounts.logic import digest_of
from server.accounts.web_tokens import BadToken, Claims, WebTokens, claims_of, unverified

#: Seconds that an issuer has for one answer, and somebody for the whole way there and back.
PATIENCE, LONGEST_WAY = 10.0, 600.0
#: Ways that one browser may have begun.
MOST_WAYS = 5

#: What comes back is no bearer's token: its audience is the client, and keys are known apart.
ID_TOKENS = WebTokens()


class NotLoggedIn(Exception):
    """Somebody could not be logged in; the text says why and what to do, the reason is one of few words."""

    def __init__(self, text: str, *, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True)
class Way:
    """What a browser's session keeps of a way to an issuer: only who begins it comes back by it, once."""

    issuer: str  # the name of its login
    nonce: str
    verifier: str
    begun: float  # seconds since 1970
    after: str = ""  # where somebody wanted to go


@dataclass(frozen=True)
class Known:
    """Who has logged in: what the token says, and what else the issuer said of them."""

    claims: Claims
    email: str = ""


def login_of(issuers: Mapping[str, Issuer], name: str) -> tuple[Issuer, BrowserLogin] | None:
    """Answer the issuer of this name at which people log in."""
    return next(((one, one.login) for one in issuers.values() if one.login and one.login.name == name), None)


def secret_of(login: BrowserLogin) -> str:
    """Read the secret by which this server proves itself to an issuer; "" for a public client.

    Raises:
        NotLoggedIn: the file cannot be read, is empty, or others may read it.
    """
    if not login.secret_file:
        return ""
    path = Path(login.secret_file).expanduser()
    try:
        mode, text = path.stat().st_mode, path.read_text().strip()
    except OSError as wrong:
        raise NotLoggedIn(
            f"{path}: {wrong.strerror}; the server's administrator can mend it", reason="no_secret"
        ) from wrong
    if mode & 0o077 or not text:
        words = f"others may read it; chmod 600 {path}" if text else "it is empty"
        raise NotLoggedIn(f"the secret of the client in {path} is not used: {words}", reason="no_secret")
    return text


def begin(issuer: Issuer, back: str, after: str) -> tuple[str, str, Way]:
    """Answer where to send a browser, the state that it has to come back with, and what to remember of it.

    Raises:
        NotLoggedIn: the issuer does not answer, or not as it should.
    """
    login = _login(issuer)
    way = Way(login.name, secrets.token_urlsafe(24), secrets.token_urlsafe(48), time.time(), after)
    described = _described(issuer)
    with _session(issuer, described, back) as session:
        where = _endpoint(issuer, described, "authorization_endpoint")
        address, state = session.create_authorization_url(where, nonce=way.nonce, code_verifier=way.verifier)
    return address, state, way


def finish(issuer: Issuer, way: Way, back: str, code: str) -> Known:
    """Change the code that a browser came back with for who somebody is.

    Raises:
        NotLoggedIn: it took too long, or what the issuer says is not believed.
    """
    if time.time() - way.begun > LONGEST_WAY:
        raise NotLoggedIn(f"this login was begun more than {LONGEST_WAY:.0f} s ago; begin again", reason="late")
    described, login = _described(issuer), _login(issuer)
    with _session(issuer, described, back) as session:
        said = _said_by(session, issuer, _endpoint(issuer, described, "token_endpoint"), code, way)
        token = said.get("id_token")
        if not isinstance(token, str):
            raise NotLoggedIn(
                f"{login.title} answers without an id_token; its administrators can tell why", reason="odd"
            )
        claims, body = _claims(token, issuer, way), _body(token)
        told: Mapping[str, Any] = {}
        if (not claims.groups or not body.get(issuer.person)) and "userinfo_endpoint" in described:
            told = _more(session, issuer, _endpoint(issuer, described, "userinfo_endpoint"), claims)
    whole = _whole(body, told, claims, issuer)
    scopes = frozenset(str(said.get("scope", "")).split())
    return Known(replace(whole, scopes=claims.scopes | scopes), _email(body) or _email(told))


def leave_address(issuer: Issuer, back: str) -> str:
    """Answer where somebody logs out at the issuer, too; "" when it has no such page.

    Raises:
        NotLoggedIn: the issuer does not answer.
    """
    from authlib.common.urls import add_params_to_uri

    described = _described(issuer)
    if "end_session_endpoint" not in described:
        return ""
    where = _endpoint(issuer, described, "end_session_endpoint")
    return str(add_params_to_uri(where, {"client_id": _login(issuer).client, "post_logout_redirect_uri": back}))


def _login(issuer: Issuer) -> BrowserLogin:
    """Answer how people log in at an issuer that `login_of` has found."""
    if issuer.login is None:
        raise NotLoggedIn(f"nobody logs in by {issuer.address}", reason="odd")
    return issuer.login


def _described(issuer: Issuer) -> Mapping[str, Any]:
    try:
        return describe(issuer, time.monotonic() + PATIENCE)
    except CannotFetch as wrong:
        text = f"{_login(issuer).title} cannot be asked now: {wrong}; try again in some minutes, or log in otherwise"
        raise NotLoggedIn(text, reason="issuer_unreachable") from wrong


def _endpoint(issuer: Issuer, described: Mapping[str, Any], name: str) -> str:
    address = described.get(name)
    if not isinstance(address, str) or not address.startswith("https://"):
        raise NotLoggedIn(f"{_login(issuer).title} names no {name} that begins with https://", reason="odd")
    return address


def _session(issuer: Issuer, described: Mapping[str, Any], back: str) -> Any:
    from authlib.integrations.requests_client import OAuth2Session

    login, ways = _login(issuer), described.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    secret = secret_of(login)
    method = "client_secret_basic" if "client_secret_basic" in ways else "client_secret_post"
    session = OAuth2Session(
        login.client,
        secret or None,
        token_endpoint_auth_method=method if secret else "none",
        scope=" ".join(login.scopes),
        redirect_uri=back,
        code_challenge_method="S256",
        default_timeout=PATIENCE,
    )
    session.max_redirects = 0
    return session


def _verify(issuer: Issuer) -> str | bool:
    """Answer by which authorities an issuer's certificate is verified, said with each question.

    What a session has of it would give way to REQUESTS_CA_BUNDLE.
    """
    return str(Path(issuer.authorities).expanduser()) if issuer.authorities else True


def _said_by(session: Any, issuer: Issuer, address: str, code: str, way: Way) -> Mapping[str, Any]:
    from authlib.common.errors import AuthlibBaseError
    from requests import RequestException

    title = _login(issuer).title
    try:
        return dict(session.fetch_token(address, code=code, code_verifier=way.verifier, verify=_verify(issuer)))
    except AuthlibBaseError as wrong:
        text = f"{title} does not take what this browser came back with ({wrong.error}); begin again"
        raise NotLoggedIn(text, reason="bad_code") from wrong
    except (RequestException, ValueError) as wrong:
        text = f"{title} cannot be asked now ({type(wrong).__name__}); try again in some minutes, or log in otherwise"
        raise NotLoggedIn(text, reason="issuer_unreachable") from wrong


def _claims(token: str, issuer: Issuer, way: Way) -> Claims:
    client = _login(issuer).client
    mine = replace(issuer, audiences=(client,), person="sub")  # the page of userinfo may tell the name
    try:
        claims = ID_TOKENS.verify(token, digest_of(token), {issuer.address: mine})
        said = _body(token)
    except BadToken as bad:
        raise NotLoggedIn(f"{_login(issuer).title}: {bad}", reason=bad.reason) from bad
    if said.get("azp", client) != client:
        raise NotLoggedIn("the token was made for another client; begin again", reason="other_audience")
    if not hmac.compare_digest(str(said.get("nonce", "")).encode(), way.nonce.encode()):
        raise NotLoggedIn("the token is not of the login that this browser began; begin again", reason="other_nonce")
    return claims


def _body(token: str) -> Mapping[str, Any]:
    """Answer what a token says; it has been verified before."""
    return unverified(token)[1]


def _more(session: Any, issuer: Issuer, address: str, claims: Claims) -> Mapping[str, Any]:
    """Ask an issuer that keeps its tokens short; its word counts when it is of the same person."""
    from authlib.common.errors import AuthlibBaseError
    from requests import RequestException

    try:
        answer = session.get(address, verify=_verify(issuer))
        answer.raise_for_status()
        said = answer.json()
    except (AuthlibBaseError, RequestException, ValueError) as wrong:
        text = f"{_login(issuer).title} does not say its groups ({type(wrong).__name__}); try again in some minutes"
        raise NotLoggedIn(text, reason="issuer_unreachable") from wrong
    return said if isinstance(said, dict) and said.get("sub") == claims.subject else {}


def _whole(body: Mapping[str, Any], told: Mapping[str, Any], claims: Claims, issuer: Issuer) -> Claims:
    """Answer what token and page of userinfo say together; the token's word counts where both say something."""
    said = {**told, **{name: value for name, value in body.items() if value}}
    try:
        return claims_of({**said, "sub": claims.subject, "exp": claims.ends}, issuer)
    except BadToken as bad:
        raise NotLoggedIn(f"{_login(issuer).title}: {bad}", reason=bad.reason) from bad


def _email(said: Mapping[str, Any]) -> str:
    """Answer an address that the issuer has seen; that it has must stand beside the address itself."""
    email = said.get("email")
    if said.get("email_verified") is not True or not isinstance(email, str):
        return ""
    return email if "@" in email and len(email) <= 250 and email.isprintable() else ""
