from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hookward.domain.egress import EgressPolicy

NOTHING_OPENED = EgressPolicy()

FORBIDDEN = """
    0.0.0.0 0.0.0.1 0.255.255.255
    10.0.0.0 10.0.0.1 10.255.255.255
    100.64.0.0 100.100.100.200 100.127.255.255
    127.0.0.1 127.0.1.1 127.255.255.255
    168.63.129.16
    169.254.0.1 169.254.169.254 169.254.170.2
    172.16.0.0 172.31.255.255
    192.0.0.1 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1
    192.168.0.1 192.168.255.255 192.175.48.1
    198.18.0.0 198.19.255.255 198.51.100.7 203.0.113.9
    224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.254 255.255.255.255
    :: ::1 ::2 ::127.0.0.1 ::8.8.8.8
    ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1 ::ffff:8.8.8.8
    ::ffff:0:127.0.0.1 0:0:0:0:0:0:0:1 0000:0000:0000:0000:0000:ffff:a9fe:a9fe
    64:ff9b::127.0.0.1 64:ff9b::8.8.8.8 64:ff9b:1::1 64:ff9b:1:ffff::10.0.0.1
    100::1 100:0:0:1::1 200::1 400::1 1000::1
    2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:1::1 2001:2::1 2001:5::1 2001:10::1 2001:20::1 2001:30::1
    2001:db8::1 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff
    2002:7f00:1:: 2002:a00:1::1 2002:808:808::1
    2620:4f:8000::1 3fff::1 3fff:fff::1 4000::1 5f00::1 8000::1 e000::1
    fc00::1 fd00:ec2::254 fd20:ce::254 fdff:ffff::1
    fe80::1 fe80::1%eth0 fe80::1%25lo febf::1 fec0::1 feff::1 ff02::1 ff0e::1
""".split()  # noqa: SIM905

ALLOWED = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 93.184.216.34 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1
    168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0
    192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255
    203.0.114.0 223.255.255.255
    2000::1 2001:200::1 2001:4860:4860::8888 2003::1 2400:cb00::1 2606:4700:4700::1111 2620:4f:8001::1 2a00:1450::1
    3ffe::1 3fff:1000::1
""".split()  # noqa: SIM905

NOT_ADDRESSES = ["", "localhost", "2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "127.0.0.1.", "[::1]"]

EMBEDDINGS = ["::ffff:{}", "::ffff:0:{}", "::{}", "64:ff9b::{}", "2002:{}::1"]


def embed(form: str, inner: str) -> str:
    if form.startswith("2002"):
        number = int(IPv4Address(inner))
        return form.format(f"{number >> 16:x}:{number & 0xFFFF:x}")
    return form.format(inner)


def policy(*networks: str) -> EgressPolicy:
    return EgressPolicy(allow=tuple(ip_network(network) for network in networks))


@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_address_without_business_on_the_internet_is_refused(address: str) -> None:
    assert NOTHING_OPENED.refusal(address, 443) is not None


@pytest.mark.parametrize("address", ALLOWED)
def test_a_public_address_is_allowed(address: str) -> None:
    assert NOTHING_OPENED.refusal(address, 443) is None


@pytest.mark.parametrize("text", NOT_ADDRESSES)
def test_what_is_no_standard_address_is_refused_even_when_everything_is_open(text: str) -> None:
    assert policy("0.0.0.0/0", "::/0").refusal(text, 443) is not None


@pytest.mark.parametrize(
    ("address", "start"),
    [
        ("127.0.0.1", "127.0.0.1 is in 127.0.0.0/8 (loopback), "),
        ("255.255.255.255", "255.255.255.255 is in 255.255.255.255/32 (broadcast), "),
        (
            "169.254.169.254",
            "169.254.169.254 is in 169.254.0.0/16 (link-local, where clouds serve instance metadata), ",
        ),
        ("::1", "::1 is in ::1/128 (loopback), "),
        # Python 3.13 began to write such addresses with dots.
        ("::ffff:10.0.0.1", f"{IPv6Address('::ffff:a00:1')} is in {IPv6Network('::ffff:0:0/96')} (IPv4-mapped), "),
        ("fd00:ec2::254", "fd00:ec2::254 is in fc00::/7 (unique local), "),
    ],
)
def test_a_refusal_names_the_network_its_purpose_and_the_cure(address: str, start: str) -> None:
    cure = "which deliveries may not reach unless the operator adds that address or network to egress.allow."
    refusal = NOTHING_OPENED.refusal(address, 443)
    assert refusal is not None
    assert refusal == start + cure


def test_an_opened_network_is_allowed_and_its_neighbours_are_not() -> None:
    opened = policy("10.1.0.0/16", "fd00:1::/32")
    verdicts = {
        address: opened.refusal(address, 443) is None for address in ("10.1.2.3", "10.2.0.1", "fd00:1::1", "fd00:2::1")
    }
    assert verdicts == {"10.1.2.3": True, "10.2.0.1": False, "fd00:1::1": True, "fd00:2::1": False}


@pytest.mark.parametrize("form", EMBEDDINGS)
def test_an_embedded_loopback_is_allowed_once_loopback_is(form: str) -> None:
    assert policy("127.0.0.1/32").refusal(embed(form, "127.0.0.1"), 443) is None


@pytest.mark.parametrize("form", EMBEDDINGS)
def test_an_embedded_neighbour_of_an_opened_address_is_refused(form: str) -> None:
    assert policy("127.0.0.1/32").refusal(embed(form, "127.0.0.2"), 443) is not None


@pytest.mark.parametrize("form", EMBEDDINGS)
def test_opening_every_ipv6_network_opens_no_private_address_inside_one(form: str) -> None:
    refusal = policy("::/0").refusal(embed(form, "10.0.0.1"), 443)
    assert refusal is not None
    assert "10.0.0.0/8 (private)" in refusal


@pytest.mark.parametrize("form", EMBEDDINGS)
def test_opening_an_embedding_network_opens_the_public_addresses_inside_it(form: str) -> None:
    assert policy("::/0").refusal(embed(form, "8.8.8.8"), 443) is None


def closing(*networks: str, allow: tuple[str, ...] = ()) -> EgressPolicy:
    return EgressPolicy(allow=policy(*allow).allow, deny=policy(*networks).allow)


@pytest.mark.parametrize("allow", [(), ("203.0.112.0/24",), ("0.0.0.0/0", "::/0")])
def test_a_closed_network_stays_closed_whatever_is_opened(allow: tuple[str, ...]) -> None:
    closed = closing("203.0.112.0/24", "2001:4860::/32", allow=allow)
    verdicts = [
        closed.refusal(address, 443) is None for address in ("203.0.112.9", "2001:4860::1", "203.0.111.9", "2a00::1")
    ]
    assert verdicts == [False, False, True, True]


@pytest.mark.parametrize("form", EMBEDDINGS)
def test_a_closed_address_is_closed_in_every_form(form: str) -> None:
    refusal = closing("8.8.8.0/24", allow=("0.0.0.0/0", "::/0")).refusal(embed(form, "8.8.8.8"), 443)
    assert refusal is not None
    assert refusal.endswith(
        ", which embeds 8.8.8.8, is in 8.8.8.0/24, which the operator closed to deliveries with egress.deny."
    )


def test_a_refusal_names_the_closed_network() -> None:
    assert closing("8.8.8.0/24").refusal("8.8.8.8", 443) == (
        "8.8.8.8 is in 8.8.8.0/24, which the operator closed to deliveries with egress.deny."
    )


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_closing_everything_allows_nothing(address: IPv4Address | IPv6Address) -> None:
    assert closing("0.0.0.0/0", "::/0", allow=("0.0.0.0/0", "::/0")).refusal(str(address), 443) is not None


@pytest.mark.parametrize("port", [1, 22, 25, 465, 587, 6667, 10080])
def test_a_port_of_another_protocol_is_refused(port: int) -> None:
    refusal = NOTHING_OPENED.refusal("8.8.8.8", port)
    assert refusal is not None
    assert refusal.startswith(f"Port {port} (")
    assert refusal.endswith("unless the operator lists it in egress.ports.")


@pytest.mark.parametrize("port", [80, 81, 443, 3000, 8000, 8080, 8443, 9000, 49152, 65535])
def test_a_port_where_webhooks_are_received_is_allowed(port: int) -> None:
    assert NOTHING_OPENED.refusal("8.8.8.8", port) is None


def test_listed_ports_are_the_only_ones() -> None:
    listed = EgressPolicy(ports=(range(25, 26), range(8000, 8010)))
    verdicts = {port: listed.refusal("8.8.8.8", port) is None for port in (25, 80, 443, 7999, 8000, 8009, 8010)}
    assert verdicts == {25: True, 80: False, 443: False, 7999: False, 8000: True, 8009: True, 8010: False}
    assert listed.refusal("8.8.8.8", 80) == (
        "Port 80 is none of the ports that the operator opened to deliveries with egress.ports."
    )


def test_a_listed_port_opens_no_network() -> None:
    assert EgressPolicy(ports=(range(443, 444),)).refusal("10.0.0.1", 443) is not None


def test_ipv6_loopback_embeds_nothing() -> None:
    assert policy("0.0.0.0/8").refusal("::1", 443) is not None


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
@example(ip_address("192.88.99.1"))
@example(ip_address("64:ff9b:1::1"))
def test_whatever_python_calls_special_is_refused(address: IPv4Address | IPv6Address) -> None:
    special = not address.is_global or address.is_multicast or address.is_reserved or address.is_link_local
    assert NOTHING_OPENED.refusal(str(address), 443) is not None or not special


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_an_address_opened_by_itself_is_allowed_unless_it_hides_a_forbidden_one(
    address: IPv4Address | IPv6Address,
) -> None:
    inner = hidden_in(address)
    expected = inner is None or NOTHING_OPENED.refusal(str(inner), 443) is None
    assert (policy(str(address)).refusal(str(address), 443) is None) == expected


@given(st.sampled_from(EMBEDDINGS), st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_an_embedded_address_is_allowed_exactly_when_the_address_itself_was_opened(
    form: str, inner: IPv4Address, opened: IPv4Address
) -> None:
    if form == "::{}" and int(inner) < 2:
        return
    assert (policy(str(opened)).refusal(embed(form, str(inner)), 443) is None) == (inner == opened)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_opening_everything_allows_everything(address: IPv4Address | IPv6Address) -> None:
    assert policy("0.0.0.0/0", "::/0").refusal(str(address), 443) is None


@given(st.text(max_size=40))
def test_no_text_makes_the_policy_fail(text: str) -> None:
    refusal = NOTHING_OPENED.refusal(text, 443)
    assert refusal is None or refusal.endswith(".")


def hidden_in(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    for network in ("::ffff:0:0/96", "::ffff:0:0:0/96", "::/96", "64:ff9b::/96"):
        if address in ip_network(network) and int(address) > 1:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.sixtofour
