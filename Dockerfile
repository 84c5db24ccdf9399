# The server of docs/serving.md with what upscaling needs: neither PyTorch nor MLflow.
#
#   docker build --tag fsrcnn . && docker run --rm --publish 127.0.0.1:5001:5001 --read-only --tmpfs /tmp fsrcnn

FROM python:3.13-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY . /source
# PACKAGES: more to install beside it; "mlflow" for a model of MLflow.
ARG PACKAGES=""
RUN pip install --no-cache-dir --prefix=/installed "/source[serve]" $PACKAGES

FROM python:3.13-slim
COPY --from=build /installed /usr/local
USER 65534:65534
EXPOSE 5001
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5001/healthz', timeout=4)"]
ENTRYPOINT ["fsrcnn", "serve", "--host", "0.0.0.0"]
