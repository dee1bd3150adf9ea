# A small image by two stages: Debian 12 builds, Debian 12 slim runs, as a user who owns nothing but the database's
# folder. No secret and no configuration is in it. tests/rules/compose.py holds this file to the rest of the tree.

FROM debian:12 AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        build-essential cmake ninja-build pkg-config libmicrohttpd-dev libcurl4-gnutls-dev libjansson-dev \
        libsqlite3-dev uuid-dev libgnutls28-dev libyaml-dev libexpat1-dev libldns-dev libpq-dev python3 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake cmake
COPY migrations migrations
COPY static static
COPY actions actions
COPY handlers handlers
COPY server server
RUN cmake --preset release \
    && cmake --build --preset release \
    && cmake --install build/release --prefix /usr/local --strip

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        ca-certificates libmicrohttpd12 libcurl3-gnutls libjansson4 libsqlite3-0 libuuid1 libgnutls30 libyaml-0-2 \
        libexpat1 libldns3 libpq5 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 turnout \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/turnout --shell /usr/sbin/nologin turnout \
    && install -d -o turnout -g turnout -m 0700 /var/lib/turnout
COPY --from=build /usr/local/bin/turnout /usr/local/bin/turnout
USER 10001:10001
WORKDIR /var/lib/turnout
VOLUME /var/lib/turnout
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["turnout", "health"]
ENTRYPOINT ["turnout"]
CMD ["serve", "-c", "/etc/turnout/turnout.yaml"]
