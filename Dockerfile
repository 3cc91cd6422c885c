# The service without a database of its own: GRIDWARD_DATABASE_URL names one.

FROM node:24-slim AS assets
WORKDIR /srv/gridward
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund

FROM python:3.12-slim AS packages
WORKDIR /srv/gridward
RUN python -m venv /opt/venv
ENV PATH="/opt/venv/bin:$PATH"
COPY requirements-service.lock ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements-service.lock
COPY pyproject.toml README.md LICENSE ./
COPY geodata ./geodata
COPY service ./service
# editable: the code finds node_modules beside itself, as it does in a clone
RUN pip install --no-cache-dir --no-deps --editable .

FROM python:3.12-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/gridward gridward \
    && install --directory --owner=gridward /var/lib/gridward/exports
COPY --from=packages /opt/venv /opt/venv
COPY --from=packages /srv/gridward /srv/gridward
COPY --from=assets /srv/gridward/node_modules /srv/gridward/node_modules
ENV PATH="/opt/venv/bin:$PATH" \
    PYTHONUNBUFFERED=1 \
    GRIDWARD_HOME=/var/lib/gridward \
    NUMBA_CACHE_DIR=/tmp/numba
WORKDIR /var/lib/gridward
USER gridward
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["gridward"]
CMD ["serve", "--host", "0.0.0.0"]
