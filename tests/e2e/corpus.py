"""The documents and questions of the end-to-end tests: the project's own docs, and a few small files."""
import os
import pathlib

SOURCE = pathlib.Path(os.environ.get("RAGMESH_SOURCE_DIR", "."))

SMALL = {
    "pump.md": b"# Pump P-17\n\n## Maintenance\n\nThe seal of pump P-17 is replaced every 18 months. "
               b"The replacement takes two technicians about four hours.\n\n## Supplier\n\n"
               b"The seals come from Norwick Industrial in Leeds.\n",
    "network.txt": b"The edge gateway listens on port 8443. Its certificate is renewed every 90 days by the site agent.\n\n"
                   b"The backup link uses a satellite modem with a bandwidth of 256 kbit per second.\n",
    "shifts.csv": b"day,shift,lead\nMonday,early,Ada Brown\nMonday,late,Tom Field\nTuesday,early,Mina Okafor\n",
}

QUESTIONS = [
    "How often is the seal of pump P-17 replaced?",
    "Who supplies the seals?",
    "Which port does the edge gateway listen on?",
    "How often is the certificate renewed?",
    "Who leads the late shift on Monday?",
]


def docs():
    """The project's own documentation as {name: bytes}."""
    root = SOURCE / "docs"
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.md"))}
