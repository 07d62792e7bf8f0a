# syntax=docker/dockerfile:1
# CUDA (torch's default build):  docker build -t iqa_sr .
# CPU (much smaller):            docker build -t iqa_sr:cpu --build-arg TORCH_INDEX=<the index of torch's CPU wheels> .
# docker run --rm -it -v "$PWD:/work" iqa_sr train -opt /options/swinir_amo.yml      (--gpus all for CUDA)
FROM python:3.13-slim

ARG TORCH_INDEX=
ENV PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1

COPY . /src/iqa_sr
RUN if [ -n "$TORCH_INDEX" ]; then \
        pip install "torch>=2.6" "torchvision>=0.21" --index-url "$TORCH_INDEX"; \
    fi \
    && pip install "/src/iqa_sr[report]" \
    && cp -r /src/iqa_sr/options /options \
    && rm -rf /src

RUN useradd --uid 1000 --create-home trainer && install -d -o trainer /work
USER 1000
WORKDIR /work
ENTRYPOINT ["iqa-sr"]
CMD ["--help"]
