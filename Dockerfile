# syntax=docker/dockerfile:1
# The service and the `escrow` command in one image: no shell scripts, no root, one writable volume.
#   docker build -t reduit .
#   docker run --rm -v reduit:/var/lib/reduit reduit mirror --home /var/lib/reduit/home

FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# No package needs an install script (package.json, "allowScripts"); none is run.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY config config
COPY src src
COPY bench bench
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-bookworm-slim
# git checks packs; ssh reaches remotes; tini passes signals on and reaps what git leaves behind.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git openssh-client tini \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/reduit
COPY --from=build --chown=root:root /build/package.json ./
COPY --from=build --chown=root:root /build/node_modules node_modules
COPY --from=build --chown=root:root /build/dist dist
COPY --chown=root:root docs docs
# For CI jobs that run in this image (docs/recipes).
RUN chmod 755 dist/src/cli/main.js && ln -s /opt/reduit/dist/src/cli/main.js /usr/local/bin/escrow
# Scratch holds plaintext for a moment: give it a tmpfs (docker run --tmpfs /var/lib/reduit/scratch).
# A new volume for `home` takes its owner from the folder that lies there.
RUN install -d -o node -g node -m 0700 /var/lib/reduit /var/lib/reduit/scratch /var/lib/reduit/home
ENV NODE_ENV=production HOME=/var/lib/reduit
VOLUME /var/lib/reduit
USER node
ENTRYPOINT ["tini", "--", "node", "--enable-source-maps", "/opt/reduit/dist/src/cli/main.js"]
CMD ["--help"]
