# The service in a container. Build: docker build -t occasion .
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN python -m venv /opt/occasion && /opt/occasion/bin/pip install --no-cache-dir ".[console]"

FROM python:3.12-slim
# LightGBM needs the OpenMP runtime.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data occasion && mkdir /data && chown occasion /data
COPY --from=build /opt/occasion /opt/occasion
ENV PATH=/opt/occasion/bin:$PATH OCCASION_HOME=/data OCCASION_HOST=0.0.0.0 \
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1
USER occasion
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s CMD \
    ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/v1/health/ready', timeout=2)"]
ENTRYPOINT ["occasion"]
CMD ["serve"]
