"""An S3 service on the LAN, moto's, which keeps its content in memory: nothing of it is in the cluster."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import network
from lab.settings import GATEWAY, Lab
from lab.tests.waiting import wait_until
from tests.authority import new_authority

PORT = 9000
BUCKET = "images"


@dataclass(frozen=True)
class S3Service:
    """A running service with one bucket."""

    lab: Lab
    ca_file: Path

    @property
    def endpoint(self) -> str:
        """Its URL, as machines and pods reach it."""
        return f"https://{GATEWAY}:{PORT}"

    @property
    def ca(self) -> str:
        """The authority that signed its certificate."""
        return self.ca_file.read_text()

    def request(self, path: str, *options: str) -> str:
        """The answer to a request, which the service requires nobody to sign."""
        command = ["curl", "-sS", "--fail", "--cacert", str(self.ca_file), *options, f"{self.endpoint}/{path}"]
        return subprocess.run(self.lab.in_lan(*command), capture_output=True, text=True, check=True).stdout

    def copy(self, folder: Path, directory: str) -> None:
        """Upload a folder, as `aws s3 sync` does."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.request(f"{BUCKET}/{directory}/{path.relative_to(folder)}", "--upload-file", str(path))

    def layers(self) -> set[str]:
        """The digests of the layers, configurations and manifests that take up space; the first thousand."""
        return set(re.findall(r"/blobs/sha256/../([0-9a-f]{64})/data<", self.request(f"{BUCKET}?list-type=2")))


@contextmanager
def s3_service(lab: Lab, folder: Path) -> Iterator[S3Service]:
    """The service, for as long as the block lasts."""
    authority = new_authority("S3 service")
    certificate, key = authority.server(addresses=(str(GATEWAY),))
    files = {name: folder / f"s3-{name}.pem" for name in ("certificate", "key", "ca")}
    for name, text in {"certificate": certificate, "key": key, "ca": authority.pem}.items():
        files[name].write_text(text)
    options = ["-H", str(GATEWAY), "-p", str(PORT), "-c", str(files["certificate"]), "-k", str(files["key"])]
    with (
        (folder / "s3.log").open("wb") as log,
        subprocess.Popen(
            lab.in_lan(sys.executable, "-m", "moto.server", *options), stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            wait_until(lambda: network.answers(lab, str(GATEWAY), PORT), 30, "the S3 service answers")
            service = S3Service(lab, files["ca"])
            service.request(BUCKET, "--request", "PUT")
            yield service
        finally:
            process.terminate()
