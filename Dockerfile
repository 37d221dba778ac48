FROM python:3.11-slim-bookworm
ENV ORT_DISABLE_TELEMETRY=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements.txt pyproject.toml README.md ./
RUN pip install --require-hashes -r requirements.txt
COPY . .
RUN pip install --no-deps . && useradd --create-home workbench && install -d -o workbench /data
USER workbench
EXPOSE 8000
