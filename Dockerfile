# The proving service as an image: node, the C libraries that it needs, this program, nothing else. No shell, no package
# manager, no keys. docs/operations.md says how to run it; docs/adr/0032-image.md why it is made so.
#
#   docker build -t proofmill .
#   docker build -t proofmill:gpu --target gpu .       with Vulkan's loader, for machines with a GPU: docs/gpu.md
#
# BASE      builds; nothing of it but the C libraries reaches the image. Debian or Ubuntu, with npm. For a release pin it
#           by digest.
# CIRCUITS  circuits to build into the image with development keys, for trying out: "batch-tiny batch-4". Empty: none;
#           real ones are mounted on /circuits.
# A secret "npmrc", if it is given, is npm's configuration for a registry of your own; it does not reach the image.
ARG BASE=node:24.21.0-bookworm-slim

FROM ${BASE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund
# What is for readers, compilers, debuggers, testers and CommonJS goes. Licences stay.
RUN find node_modules -type f \( -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.map' -o -name '*.md' \) \
      ! -iname '*licen[cs]e*' ! -iname '*notice*' -delete \
 && rm -rf node_modules/*/test node_modules/*/tests node_modules/@*/*/test \
      node_modules/viem/_cjs node_modules/viem/_types node_modules/ox/_cjs node_modules/ox/_types \
      node_modules/.bin node_modules/.package-lock.json

FROM ${BASE} AS build
WORKDIR /src
# To strip Node of its symbols, and what it needs beside the C library.
RUN dpkg -s binutils libatomic1 > /dev/null 2>&1 \
 || (apt-get update && apt-get install -y --no-install-recommends binutils libatomic1)
COPY package.json package-lock.json ./
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run --silent pack && mkdir -p /image/app \
 && cp -r build/package/. /image/app \
 && find /image/app -name '*.d.ts' -delete \
 && rm -r /image/app/contracts /image/app/proto /image/app/README.md \
 && sed -i '1s|.*|#!/usr/local/bin/node|' /image/app/prover/command/main.js \
 && chmod 755 /image/app/prover/command/main.js
# What calls Vulkan's loader is compiled for each system: for this one, with its C library only.
RUN mkdir -p /image/native && cp -r node_modules/@koromix /image/native/ && rm -rf /image/native/@koromix/*/musl_*
ARG CIRCUITS=
RUN mkdir -p build/circuits /image/circuits \
 && if [ -n "$CIRCUITS" ]; then npm run --silent build:circuits -- $CIRCUITS && cp -r build/circuits/. /image/circuits; fi
# Node from the lock file, by its hash: the one that the tests ran on. Symbols are a fifth of it.
RUN mkdir -p /image/system/usr/local/bin && cd /image/system \
 && strip -o usr/local/bin/node "$(npm exec -- node -p process.execPath)" \
 && ldd usr/local/bin/node | awk '$3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' | xargs -I{} cp -L --parents {} . \
 && for package in libc6 libatomic1 libgcc-s1 libstdc++6; do \
      mkdir -p usr/share/doc/$package && cp -L /usr/share/doc/$package/copyright usr/share/doc/$package/; done \
 && mkdir -p usr/share/doc/node && cp /src/node_modules/node-linux-*/LICENSE usr/share/doc/node/ \
 && ln -s /app/prover/command/main.js usr/local/bin/proofmill \
 && mkdir -p etc && echo 'proofmill:x:10001:10001::/var/lib/proofmill:/usr/sbin/nologin' > etc/passwd \
 && echo 'proofmill:x:10001:' > etc/group \
 && echo 'hosts: files dns' > etc/nsswitch.conf \
 && mkdir -m 1777 tmp && mkdir -p var/lib && mkdir -m 700 var/lib/proofmill && chown 10001:10001 var/lib/proofmill

# Vulkan's loader, and what NVIDIA's driver loads although no window is opened. Unpacked rather than installed: what
# these packages ask for is drivers, which come from the machine that runs the image.
FROM ${BASE} AS gpu-libraries
WORKDIR /var/cache/apt/archives
RUN set -e; mkdir /gpu; isFresh=; \
    for package in libvulkan1 libegl1 libgl1 libglx0 libglvnd0 libx11-6 libxext6 libxcb1 libxau6 libxdmcp6 libbsd0 libmd0; do \
      if ! ls ${package}_*.deb > /dev/null 2>&1; then \
        if [ -z "$isFresh" ]; then apt-get update; isFresh=yes; fi; \
        apt-get download "$package"; \
      fi; \
      dpkg -x ${package}_*.deb /gpu; \
    done; \
    find /gpu/usr/share -type f ! -name copyright -delete; find /gpu/usr/share -type d -empty -delete; \
    # Where the container toolkit puts a driver's libraries, and where it tells the dynamic linker of them.
    mkdir -p /gpu/etc && cp /etc/debian_version /gpu/etc/ \
 && cp -r /etc/ld.so.conf /etc/ld.so.conf.d /gpu/etc/

FROM scratch AS service
LABEL org.opencontainers.image.title="proofmill" \
      org.opencontainers.image.description="A proving service for rollups: signed transfers in, a verified Groth16 proof out, over gRPC" \
      org.opencontainers.image.licenses="Apache-2.0"
# What changes least comes first, so that an upgrade fetches the last layers only.
COPY --from=build /image/system/ /
COPY --from=dependencies /app/node_modules/ /app/node_modules/
COPY --from=build /image/native/ /app/node_modules/
COPY --from=build /image/circuits/ /circuits/
COPY --from=build /image/app/ /app/
ENV PATH=/usr/local/bin \
    PROVER_LISTEN=0.0.0.0:50051 \
    PROVER_CIRCUITS_DIR=/circuits \
    PROVER_STORE=sqlite:/var/lib/proofmill/jobs.sqlite
WORKDIR /var/lib/proofmill
VOLUME /var/lib/proofmill
USER 10001:10001
EXPOSE 50051 50052
STOPSIGNAL SIGTERM
# Loading large keys takes a while; a failed check counts only after that.
HEALTHCHECK --start-period=2m --interval=30s --timeout=5s --retries=3 CMD ["proofmill", "health"]
ENTRYPOINT ["proofmill"]
CMD ["serve"]

# Libraries and device nodes of NVIDIA's driver are put in by the container toolkit, which these two variables tell
# that Vulkan is wanted, too. Some clusters mount them in /usr/local/nvidia instead.
FROM service AS gpu
COPY --from=gpu-libraries /gpu/ /
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics \
    LD_LIBRARY_PATH=/usr/local/nvidia/lib64:/usr/local/nvidia/lib \
    XDG_DATA_DIRS=/usr/local/share:/usr/share:/usr/local/nvidia/share:/usr/local/nvidia

# What is built when no target is named.
FROM service
