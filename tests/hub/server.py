"""A small server that speaks the Hub's protocol, for the unchanged client of huggingface_hub.

It keeps repositories as commits of whole trees, serves files like the Hub (small ones itself, large ones by a
redirect), takes uploads (preupload, batches of large files, commits), and can fail on command. Mirrors such as olah
only serve downloads, and cannot fail on command.
"""

import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_writer"


class Repository:
    def __init__(self, private=False, gated=False):
        self.private, self.gated = private, gated
        self.commits, self.branches = {}, {}

    def commit(self, files, branch="main", deleted=()):
        """Adds a commit to the branch, with these files added or replaced."""
        tree = {**self.commits.get(self.branches.get(branch), {}), **files}
        tree = {name: data for name, data in tree.items() if name not in deleted}
        text = json.dumps([len(self.commits), sorted((name, _sha256(data)) for name, data in tree.items())])
        sha = hashlib.sha1(text.encode()).hexdigest()
        self.commits[sha], self.branches[branch] = tree, sha
        return sha

    def files(self, revision="main"):
        return self.commits[self.resolve(revision)]

    def resolve(self, revision):
        sha = self.branches.get(revision, revision)
        return sha if sha in self.commits else None


class HubServer(ThreadingHTTPServer):
    """Fails for paths that contain a key of ``faults``; see :meth:`_Handler.fail` for the values."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories, self.storage, self.faults, self.requests = {}, {}, {}, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """Prints nothing, because killed clients break their connections."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def storage_url(self):
        """The storage has another host, like on the Hub: the client reads the headers of the first host before."""
        return f"http://localhost:{self.server_port}/storage"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.route()

    do_GET = do_POST = do_PUT = do_HEAD  # noqa: N815

    def log_message(self, *arguments):
        pass

    def route(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = unquote(urlsplit(self.path).path).strip("/")
        self.server.requests.append((self.command, path))
        fault = next((kind for part, kind in self.server.faults.items() if part in f"{self.command} {path}"), None)
        if fault is not None and self.fail(fault):
            return
        parts = path.split("/")
        if parts[:1] == ["storage"]:
            self.serve_storage(parts[1])
        elif path == "api/repos/create":
            self.create(json.loads(self.body))
        elif path == "api/validate-yaml":
            self.answer(200, {"errors": [], "warnings": []})
        elif parts[:2] == ["api", "models"]:
            self.serve_api("/".join(parts[2:4]), parts[4:])
        elif path.endswith(".git/info/lfs/objects/batch"):
            self.batch(path.removesuffix(".git/info/lfs/objects/batch"))
        elif len(parts) > 4 and parts[2] == "resolve":
            self.serve_file("/".join(parts[:2]), parts[3], "/".join(parts[4:]), fault)
        else:
            self.answer(404, {"error": path})

    def fail(self, kind):
        """Fails with a status, or in a way: ``"slow"``, ``"cut"``, ``"hang"`` (half-way), ``"other"`` (other bytes of
        the same length), ``"huge"`` (a size that it only claims)."""
        if kind == "slow":
            time.sleep(20)
        elif kind == "cut" and self.command == "GET":
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"only this")
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True
            return True
        elif kind == "hang" and self.command == "GET":
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(bytes(100_000))
            self.wfile.flush()
            time.sleep(5)
        elif isinstance(kind, int):
            self.answer(kind, {"error": "as told"})
            return True
        return False

    def repository(self, repo_id):
        """Returns the repository, or answers like the Hub without it, and returns None."""
        repository = self.server.repositories.get(repo_id)
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if repository is None or (repository.private and not known):
            self.answer(401 if not known else 404, {}, {"X-Error-Code": "RepoNotFound"})
        elif repository.gated:
            self.answer(403, {}, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
        else:
            return repository
        return None

    def serve_file(self, repo_id, revision, name, fault):
        repository = self.repository(repo_id)
        if repository is None:
            return
        commit = repository.resolve(revision)
        if commit is None:
            return self.answer(404, {}, {"X-Error-Code": "RevisionNotFound"})
        data = repository.commits[commit].get(name)
        if data is None:
            return self.answer(404, {}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        if fault == "other":
            data = bytes(len(data))
        size = str(2**40 if fault == "huge" and self.command == "HEAD" else len(data))
        headers = {"X-Repo-Commit": commit, "ETag": f'"{_sha256(data)}"'}
        if not name.endswith(".safetensors"):
            return self.send(200, data, {**headers, "Content-Length": size})
        self.server.storage[_sha256(data)] = data
        linked = {"X-Linked-Size": size, "X-Linked-ETag": f'"{_sha256(data)}"'}
        self.send(302, b"", {**headers, **linked, "Location": f"{self.server.storage_url}/{_sha256(data)}"})

    def serve_storage(self, oid):
        if self.command == "PUT":
            assert _sha256(self.body) == oid
            self.server.storage[oid] = self.body
            return self.send(200, b"", {"ETag": oid})
        self.send(200, self.server.storage[oid], {"ETag": f'"{oid}"'})

    def writes(self):
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            return True
        self.answer(401, {"error": "Invalid username or password."})
        return False

    def create(self, options):
        if not self.writes():
            return
        repo_id = f"{options['organization']}/{options['name']}"
        if repo_id in self.server.repositories:
            return self.answer(409, {"error": "exists", "url": f"{self.server.url}/{repo_id}"})
        private = options.get("private") or options.get("visibility") == "private"
        self.server.repositories[repo_id] = repository = Repository(private=bool(private))
        repository.commit({".gitattributes": b""})
        self.answer(200, {"url": f"{self.server.url}/{repo_id}", "name": repo_id})

    def serve_api(self, repo_id, rest):
        repository = self.repository(repo_id)
        if repository is None:
            return
        revision = "/".join(rest[1:])
        if rest[:1] == ["branch"]:
            if self.writes():
                known = repository.branches.setdefault(revision, None)
                repository.branches[revision] = known or repository.resolve("main")
                self.answer(409 if known else 200, {})
        elif revision and repository.resolve(revision) is None:
            self.answer(404, {}, {"X-Error-Code": "RevisionNotFound"})
        elif rest[:1] == ["tree"]:
            files = repository.files(revision).items()
            tree = [{"type": "file", "path": name, "size": len(data), "oid": _sha256(data)} for name, data in files]
            self.answer(200, tree)
        elif rest[:1] == ["preupload"] and self.writes():
            files = [
                {"path": file["path"], "shouldIgnore": False, "uploadMode": mode}
                for file in json.loads(self.body)["files"]
                for mode in ["lfs" if file["path"].endswith(".safetensors") else "regular"]
            ]
            self.answer(200, {"files": files})
        elif rest[:1] == ["commit"] and self.writes():
            files, deleted = {}, []
            for line in self.body.decode().splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
                elif entry["key"] == "lfsFile":
                    files[entry["value"]["path"]] = self.server.storage[entry["value"]["oid"]]
                elif entry["key"] == "deletedFile":
                    deleted.append(entry["value"]["path"])
            commit = repository.commit(files, revision, deleted)
            self.answer(200, {"commitOid": commit, "commitUrl": f"{self.server.url}/{repo_id}/commit/{commit}"})
        else:
            self.answer(200, {"id": repo_id, "sha": repository.resolve("main"), "private": repository.private})

    def batch(self, repo_id):
        if self.repository(repo_id) is None or not self.writes():
            return
        objects = [
            {**each, "actions": {"upload": {"href": f"{self.server.storage_url}/{each['oid']}", "header": {}}}}
            for each in json.loads(self.body)["objects"]
        ]
        self.answer(200, {"transfer": "basic", "objects": objects})

    def answer(self, status, content, headers=()):
        self.send(status, json.dumps(content).encode(), {"Content-Type": "application/json", **dict(headers)})

    def send(self, status, data, headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _sha256(data):
    return hashlib.sha256(data).hexdigest()
