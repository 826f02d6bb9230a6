"""Who may become a host, and stay one."""
import hashlib
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from conftest import BUILD, Lab, refused, wait_for


@pytest.fixture(scope="module")
def enrolling(lab: Lab) -> dict[str, str]:
    cluster = lab.all("clusters")[0]["id"]
    return {"cluster": cluster, "server": f"127.0.0.1:{lab.port}"}


def agents(lab: Lab) -> tuple[str, int]:
    """Where agents dial: this machine's address in the lab's own network."""
    return (lab.dir / "net/subnet").read_text().strip() + ".1", lab.port + 1


def token(lab: Lab, cluster: str, name: str, **more: int) -> dict[str, str]:
    return lab.api().call("POST", "/enroll-tokens", {"cluster": cluster, "name": name, **more})


def enroll(server: str, word: str, fingerprint: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(BUILD / "bin/drover-agent"), "enroll", "--server", server, "--token", word,
         "--ca-fingerprint", fingerprint, "--dir", str(folder)],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
    )


def test_a_token_works_once(lab: Lab, enrolling: dict[str, str], tmp_path: Path) -> None:
    made = token(lab, enrolling["cluster"], "once")
    ran = enroll(enrolling["server"], made["token"], made["ca_fingerprint"], tmp_path / "a")
    assert ran.returncode == 0, ran.stderr
    keys = [p for p in (tmp_path / "a").rglob("*") if p.is_file() and "PRIVATE KEY" in p.read_text(errors="ignore")]
    assert keys and all(p.stat().st_mode & 0o077 == 0 for p in keys)
    again = enroll(enrolling["server"], made["token"], made["ca_fingerprint"], tmp_path / "b")
    assert again.returncode != 0 and "token" in again.stderr
    assert not list((tmp_path / "b").rglob("*.pem")) or not (tmp_path / "b/cert.pem").exists()


def test_wrong_words_are_refused(lab: Lab, enrolling: dict[str, str], tmp_path: Path) -> None:
    made = token(lab, enrolling["cluster"], "words")
    wrong = made["token"][:-4] + "0000"
    ran = enroll(enrolling["server"], wrong, made["ca_fingerprint"], tmp_path / "a")
    assert ran.returncode != 0 and "token" in ran.stderr
    ran = enroll(enrolling["server"], made["token"], "0" * 64, tmp_path / "b")
    assert ran.returncode != 0 and "fingerprint" in ran.stderr
    ran = enroll("127.0.0.1:1", made["token"], made["ca_fingerprint"], tmp_path / "c")
    assert ran.returncode != 0 and "127.0.0.1" in ran.stderr


def test_a_token_expires(lab: Lab, enrolling: dict[str, str], tmp_path: Path) -> None:
    made = token(lab, enrolling["cluster"], "late", ttl_s=1)

    def over() -> bool:
        return time.time() > time.mktime(time.strptime(made["expires_at"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone + 1

    wait_for("the token's time to be over", over, 10)
    ran = enroll(enrolling["server"], made["token"], made["ca_fingerprint"], tmp_path / "a")
    assert ran.returncode != 0 and "token" in ran.stderr


def test_the_csr_may_name_nothing(lab: Lab, enrolling: dict[str, str], tmp_path: Path) -> None:
    """Whatever a CSR asks for, the certificate names the host's uuid only and is no server's."""
    made = token(lab, enrolling["cluster"], "greedy")
    key, csr = tmp_path / "k.pem", tmp_path / "c.pem"
    subprocess.run(
        ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(key),
         "-out", str(csr), "-subj", "/CN=droverd", "-addext", "subjectAltName=URI:drover:server"],
        check=True, capture_output=True,
    )
    answer = lab.anonymous().call("POST", "/enroll", {"token": made["token"], "csr": csr.read_text()})
    text = subprocess.run(
        ["openssl", "x509", "-noout", "-text"], input=answer["certificate"], capture_output=True, text=True, check=True
    ).stdout
    assert f"URI:drover:host:{answer['uuid']}" in text and "drover:server" not in text


def test_certificates_of_another_authority_are_refused(lab: Lab, tmp_path: Path) -> None:
    """TLS to the agents' port with a certificate that another CA signed: no link, no host state changed."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-keyout", str(tmp_path / "k.pem"), "-out", str(tmp_path / "c.pem"), "-subj", "/CN=x",
         "-addext", "subjectAltName=URI:drover:host:" + lab.all("hosts")[0]["uuid"]],
        check=True, capture_output=True,
    )
    for more in ([], ["-cert", str(tmp_path / "c.pem"), "-key", str(tmp_path / "k.pem")]):
        ran = subprocess.run(
            ["openssl", "s_client", "-connect", f"{agents(lab)[0]}:{agents(lab)[1]}", "-tls1_3", "-quiet", *more],
            input="x" * 64, capture_output=True, text=True, timeout=30,
        )
        assert "alert" in ran.stderr, ran.stderr
    assert lab.connected() == 3


AUTHORITY = """
[ca]
default_ca = one
[one]
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
certificate = {ca}/ca.pem
private_key = {ca}/ca.key
default_md = sha256
policy = any
[any]
commonName = supplied
[host]
extendedKeyUsage = clientAuth,serverAuth
subjectAltName = URI:drover:host:{uuid}
"""


def fingerprint(pem: str) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def aged(lab: Lab, key: Path, uuid: str, folder: Path) -> str:
    """A certificate for that key which has five of its thirty days left."""
    (folder / "authority").write_text(AUTHORITY.format(folder=folder, ca=lab.dir / "ca", uuid=uuid))
    (folder / "index").write_text("")
    (folder / "serial").write_text("01\n")
    day, at = 86400, "%Y%m%d%H%M%SZ"
    for words in (
        ["req", "-new", "-key", str(key), "-subj", f"/CN={uuid}", "-out", str(folder / "csr")],
        ["ca", "-batch", "-notext", "-config", str(folder / "authority"), "-extensions", "host", "-in", str(folder / "csr"),
         "-out", str(folder / "aged.pem"), "-startdate", time.strftime(at, time.gmtime(time.time() - 25 * day)),
         "-enddate", time.strftime(at, time.gmtime(time.time() + 5 * day))],
    ):
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    return (folder / "aged.pem").read_text()


def test_a_certificate_is_renewed_before_it_ends(lab: Lab, tmp_path: Path) -> None:
    """The host asks over its link, has the answer on its disk, and comes with it the next time."""
    host, folder = lab.find("hosts", "host-1"), lab.dir / "hosts/1"
    old = aged(lab, folder / "host.key", host["uuid"], tmp_path)
    lab.kill("agent-1")
    lab.kill("droverd")
    lab.sql(f"UPDATE hosts SET cert_fingerprint = '{fingerprint(old)}' WHERE id = '{host['id']}'")
    (folder / "host.crt").write_text(old)
    lab.start("agent-1")
    lab.restart_server()

    wait_for("a new certificate", lambda: (folder / "host.crt").read_text() != old)
    new = (folder / "host.crt").read_text()
    subprocess.run(["openssl", "x509", "-noout", "-checkend", str(29 * 86400)], input=new, check=True, text=True)
    assert lab.linked() == 3 and lab.find("hosts", "host-1")["cert_fingerprint"] == fingerprint(old)
    lab.restart_agent("agent-1")
    wait_for("it to be used", lambda: lab.find("hosts", "host-1")["cert_fingerprint"] == fingerprint(new))


@pytest.mark.parametrize(
    "raw",
    [b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x00" * 70000, b"\x00\x00\x00\x00", b""],
    ids=["http", "endless-hello", "zeros", "nothing"],
)
def test_garbage_on_the_agents_port(lab: Lab, raw: bytes) -> None:
    import socket

    with socket.create_connection(agents(lab), timeout=30) as s:
        try:
            s.sendall(raw)
            s.shutdown(socket.SHUT_WR)
            while s.recv(4096):
                pass
        except OSError:
            pass
    assert lab.healthy() and lab.connected() == 3


def test_bad_enrolment_bodies(lab: Lab) -> None:
    api = lab.anonymous()
    refused("invalid", "token", api.call, "POST", "/enroll", {"csr": "x"})
    refused("invalid", "unknown|extra", api.call, "POST", "/enroll", {"token": "x", "csr": "x", "extra": 1})
