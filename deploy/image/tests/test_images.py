"""What the images are made of is what the checkout has, and what the charts ask for."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
IMAGE = ROOT / "deploy" / "image"
DOCKERFILE = (IMAGE / "Dockerfile").read_text()


def images() -> dict[str, tuple[str, list[str], list[str]]]:
    """Return each image with its folder, extras and packages beside it."""
    found = {}
    for line in (IMAGE / "images.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, folder, *rest = line.split()
            extras = rest[0].strip("[]").split(",") if rest and rest[0] != "-" else []
            found[name] = (folder, extras, rest[1:])
    return found


class TestImages:
    def test_every_image_of_a_chart_is_built(self):
        asked = set()
        for file in (ROOT / "deploy" / "helm").glob("*/values.yaml"):
            text = yaml.safe_load(file.read_text())
            places = [text, text.get("envoy", {})]
            asked |= {p["image"]["repository"] for p in places if "repository" in p.get("image", {})}
        assert {f"ndx/{name}" for name in images()} == asked

    def test_folders_extras_and_locked_packages_are_there(self):
        locked = set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
        for folder, extras, more in images().values():
            project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
            assert set(extras) <= set(project.get("optional-dependencies", {}))
            assert set(more) <= locked
            assert (ROOT / folder / "migrations").is_dir()


class TestDockerfile:
    def test_it_copies_what_exists_and_what_is_not_left_out(self):
        let_in = {
            line[1:] for line in (IMAGE / "Dockerfile.dockerignore").read_text().split() if line[0] == "!"
        }
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
            for source in sources.split():
                if source != "${FOLDER}":
                    assert (ROOT / source).exists(), source
                    assert source in let_in, source

    def test_it_installs_with_the_tool_of_the_checkout_and_runs_as_whom_the_charts_say(self):
        bootstrap = (ROOT / "deploy" / "local" / "bootstrap.py").read_text()
        (version,) = re.findall(r'^UV_VERSION = "(.+)"$', bootstrap, re.MULTILINE)
        assert f"ARG UV_VERSION={version}\n" in DOCKERFILE
        (user,) = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)
        templates = (ROOT / "deploy" / "helm").glob("*/templates/*")
        users = {u for file in templates for u in re.findall(r"runAsUser: (\d+)", file.read_text())}
        assert users == {user}
