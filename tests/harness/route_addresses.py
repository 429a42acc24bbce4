"""Provider addresses and route names for the rules: those that a cluster accepts and those that it rejects."""

from harness.route_examples import Spec, at

from penstock_contract.route.validation import LOCAL_ADDRESS, NAME

FAR: tuple[str, ...] = (
    "https://api.openai.com/v1",
    "https://10.0.0.7:8443/v1",
    "https://192.168.1.1",
    "https://100.100.100.20",
    "https://1.2.3.4",
    "https://[2001:db8::1]:8443/v1",
    "https://[fd12:3456::1]",
    "https://[fec0::1]",
    "https://localhost.example.com",
    "https://notlocalhost",
    "https://metadata.example.com",
    "https://127.example.com",
    "https://0x7f.example.com",
    "https://01.example.com",
    "https://api.example.com/127.0.0.1",
    # What a name resolves to is the network policy's business.
    "https://127.0.0.1.example.com",
)
"""Addresses that a provider may have wherever the route is."""
LOCAL: tuple[str, ...] = (
    "localhost",
    "LocalHost",
    "models.localhost",
    "ip6-localhost",
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[0064:FF9B::a9fe:a9fe]",
    "[fe80::1]",
    "[FEBF::1]",
    "[fd00:ec2::254]",
    "[fd00:0ec2:0:0:0:0:0:254]",
    "[fd20:ce::254]",
    "metadata",
    "metadata.google.internal",
    "Metadata.Google.Internal",
    "instance-data.ec2.internal",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "0",
    "2130706433",
    "2852039166",
    "0x7f000001",
    "0X7F.1",
    "127.1",
    "127.0.1",
    "10.1",
    "0177.0.0.1",
    "10.0.0.010",
    "0x7f.0.0.1",
    "127.0.0.0x1",
)
"""Hosts that a provider may have outside a cluster only."""
LOCAL_ONLY: dict[str, Spec] = {
    **{host: at(f"https://{host}:8443/v1") for host in LOCAL},
    "a loopback name without TLS": at("http://localhost:8000/v1"),
    "a loopback subdomain without TLS": at("http://models.localhost"),
    "a loopback address without TLS": at("http://127.0.0.1:8000/v1"),
    "a loopback IPv6 address without TLS": at("http://[::1]/v1"),
    "a metadata service without TLS that is allowed to": at("http://169.254.169.254/latest", allowHTTP=True),
}
"""Valid for `penstock dev`; in a cluster each violates `LOCAL_ADDRESS` alone."""
NAMES_KEPT: tuple[str, ...] = ("m", "my-route-2", "r" * 40)
NAMES_BROKEN: tuple[str, ...] = ("r" * 41, "my.route", "r" * 63 + ".route")
"""Names of the resource; the broken ones are good names for any other resource of Kubernetes."""
CLUSTER_MESSAGES: tuple[str, ...] = (LOCAL_ADDRESS.message, NAME.message)
