"""Backup, move and restore with the commands of docs/operations.md, on the real programs. Collections are lexical-only, so
no model is needed."""
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

import mesh

RAGMESH = str(mesh.BIN / "ragmesh")
DOCUMENTS = {
    "pump.md": b"# Pumps\n\nThe seal of a pump is replaced every year.\n",
    "valve.md": b"# Valves\n\nA valve that leaks is closed by hand.\n",
}


def run(*arguments, status=0):
    """Runs a ragmesh command with --json and returns the objects it printed, errors included."""
    done = subprocess.run([RAGMESH, *map(str, arguments), "--json"], capture_output=True, timeout=120, check=False)
    text = done.stdout.decode() + done.stderr.decode()
    if done.returncode != status:
        raise AssertionError(f"{arguments}: exit status {done.returncode} instead of {status}: {text}")
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


class BackupTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ragmesh-backup-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.running = []
        self.addCleanup(lambda: [site.kill_all() for site in self.running])

    def serve(self, name, *flags):
        state = self.folder / name
        state.mkdir(exist_ok=True)
        site = mesh.Serve(state, flags)
        self.running.append(site)
        return site, state / "data"

    def fill(self, site, documents, name="manuals"):
        if not site.request("GET", "/v1/collections").get("collections"):
            site.create_collection(name, lexical_only=True)
        site.ingest(name, documents)

    def test_a_snapshot_of_a_running_store_restores_another(self):
        site, data = self.serve("site")
        self.fill(site, DOCUMENTS)
        expected = site.index("manuals")
        taken = run("store", "snapshot", "before", f"--data_dir={data}")[0]["snapshot"]
        self.assertEqual(taken["collections"], 1)
        self.assertEqual([s["snapshot"]["name"] for s in run("store", "snapshots", f"--data_dir={data}")], ["before"])
        self.fill(site, {"later.md": b"# Later\n\nThis came later.\n"})

        copy = self.folder / "copy"
        shutil.copytree(taken["path"], copy)
        run("store", "verify", copy)
        # Not over a store that is there.
        refused = run("store", "restore", copy, f"--data_dir={data}/vector-store", status=5)[0]["error"]
        self.assertEqual(refused["reason"], "FOLDER_NOT_EMPTY")
        other = self.folder / "other"
        run("store", "restore", copy, f"--data_dir={other}/data/vector-store")
        restored, _ = self.serve("other")
        self.assertEqual(restored.index("manuals"), expected)
        self.assertTrue(restored.search("manuals", "seal")["passages"])
        self.assertEqual(len(site.index("manuals")), 3)

    def test_a_damaged_or_mixed_snapshot_is_refused(self):
        site, data = self.serve("site")
        self.fill(site, DOCUMENTS)
        one = self.folder / "one"
        shutil.copytree(run("store", "snapshot", "one", f"--data_dir={data}")[0]["snapshot"]["path"], one)
        self.fill(site, {"later.md": b"# Later\n\nThis came later.\n"})
        two = pathlib.Path(run("store", "snapshot", "two", f"--data_dir={data}")[0]["snapshot"]["path"])
        target = self.folder / "restored"

        mixed = self.folder / "mixed"
        shutil.copytree(one, mixed)
        strange = next(f for f in (two / "store").iterdir() if not (one / "store" / f.name).exists())
        shutil.copy(strange, mixed / "store")
        for command in (("verify", mixed), ("restore", mixed, f"--data_dir={target}")):
            error = run("store", *command, status=9)[0]["error"]
            self.assertEqual(error["reason"], "CORRUPT_DATA")
            self.assertIn(strange.name, error["field"])
        table = next((one / "store").glob("*.sst"))
        data_bytes = bytearray(table.read_bytes())
        data_bytes[len(data_bytes) // 2] ^= 1
        table.write_bytes(data_bytes)
        self.assertIn(table.name, run("store", "restore", one, f"--data_dir={target}", status=9)[0]["error"]["field"])
        self.assertFalse(target.exists())
        self.assertEqual([p.name for p in self.folder.iterdir() if p.name.endswith(".part")], [])

    def test_a_collection_moves_to_another_store(self):
        site, data = self.serve("site")
        self.fill(site, DOCUMENTS)
        key, file = self.folder / "site.pem", self.folder / "manuals.rmc"
        run("collections", "keygen", key, status=2)  # it has no --json
        subprocess.run([RAGMESH, "collections", "keygen", str(key)], check=True, stdout=subprocess.DEVNULL)
        exported = run("collections", "export", "manuals", file, f"--key={key}", f"--data_dir={data}")[0]["exported"]
        self.assertEqual(exported["documents"], 2)
        self.assertTrue(exported["signed"])

        other, other_data = self.serve("other")
        into = (f"--data_dir={other_data}", f"--key={key}.pub")
        run("collections", "import", file, f"--data_dir={other_data}", status=2)  # neither a key nor --unsigned
        damaged = self.folder / "damaged.rmc"
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        damaged.write_bytes(content)
        self.assertEqual(run("collections", "import", damaged, *into, status=9)[0]["error"]["reason"], "CORRUPT_DATA")
        self.assertEqual(other.request("GET", "/v1/collections").get("collections", []), [])
        subprocess.run([RAGMESH, "collections", "keygen", str(key) + "2"], check=True, stdout=subprocess.DEVNULL)
        strange = run("collections", "import", file, f"--data_dir={other_data}", f"--key={key}2.pub", status=5)
        self.assertEqual(strange[0]["error"]["reason"], "UNKNOWN_SIGNER")

        run("collections", "import", file, *into, "--as=moved")
        self.assertEqual(other.index("moved"), site.index("manuals"))
        self.assertTrue(other.search("moved", "leaking valve")["passages"])
        self.assertEqual(run("collections", "import", file, *into, "--as=moved", status=5)[0]["error"]["reason"],
                         "COLLECTION_EXISTS")
        other.kill_all()
        other.restart()
        self.assertEqual(other.index("moved"), site.index("manuals"))

        # Of a store that is stopped, and into one.
        site.stop()
        again = self.folder / "again.rmc"
        run("collections", "export", "manuals", again, "--unsigned", f"--data_dir={data}")
        run("collections", "import", again, "--unsigned", "--as=second", f"--data_dir={data}")

    def test_a_vector_store_of_its_own_is_reached_by_its_address(self):
        port, admin = mesh.free_ports(2)
        data, address = self.folder / "store", f"127.0.0.1:{port}"
        process = mesh.Process("vector-store", [str(mesh.BIN / "ragmesh-vector-store"), f"--listen={address}",
                                                f"--admin_listen=127.0.0.1:{admin}", f"--data_dir={data}"], self.folder)
        self.addCleanup(process.kill)

        def answers():
            return subprocess.run([RAGMESH, "store", "snapshots", f"--store={address}"], capture_output=True,
                                  check=False).returncode == 0
        mesh.wait_until("the vector store to answer", answers)
        self.assertEqual(run("store", "snapshot", "one", f"--store={address}")[0]["snapshot"]["name"], "one")
        # Its files are taken, and the message says what to do.
        self.assertIn("--store", run("store", "snapshot", f"--data_dir={data}", status=5)[0]["error"]["next_step"])

    def test_the_past_comes_back_from_an_archive(self):
        archive = self.folder / "archive"
        flags = (f"--store_archive={archive}", "--store_archive_interval=20ms")
        site, _ = self.serve("site", *flags)
        self.fill(site, {"pump.md": DOCUMENTS["pump.md"]})
        expected = site.index("manuals")
        time.sleep(1.1)
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        time.sleep(1.1)
        self.fill(site, {"valve.md": DOCUMENTS["valve.md"]})
        site.kill_all()
        site.restart()
        self.assertEqual(len(site.index("manuals")), 2)
        site.stop()

        self.assertTrue(run("store", "moments", f"--archive={archive}"))
        early = run("store", "restore", f"--archive={archive}", "--at=2001-01-01T00:00:00Z",
                    f"--data_dir={self.folder}/never", status=2)[0]["error"]
        self.assertEqual(early["reason"], "MOMENT_NOT_ARCHIVED")
        run("store", "restore", f"--archive={archive}", f"--at={moment}",
            f"--data_dir={self.folder}/past/data/vector-store")
        past, _ = self.serve("past")
        self.assertEqual(past.index("manuals"), expected)
        run("store", "restore", f"--archive={archive}", "--at=latest",
            f"--data_dir={self.folder}/last/data/vector-store")
        last, _ = self.serve("last")
        self.assertEqual(len(last.index("manuals")), 2)


if __name__ == "__main__":
    unittest.main()
