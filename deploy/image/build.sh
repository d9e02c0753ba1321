#!/bin/sh
# Builds all images, or those named: deploy/image/build.sh [image…], from the checkout's root.
# TAG (1.0.0), REGISTRY (none, else registry.example/), DOCKER (docker; podman and buildah take the same words).
set -eu
cd "$(dirname "$0")/../.."
grep -v '^#' deploy/image/images.txt | while read -r image folder extras more; do
  case " $* " in "  " | *" $image "*) ;; *) continue ;; esac
  [ "${extras:-}" != - ] || extras=
  ${DOCKER:-docker} build -f deploy/image/Dockerfile -t "${REGISTRY:-}ndx/$image:${TAG:-1.0.0}" \
    --build-arg FOLDER="$folder" --build-arg EXTRAS="${extras:-}" --build-arg MORE="${more:-}" . </dev/null
done
