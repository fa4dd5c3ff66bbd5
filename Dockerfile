# The service as a container image for AWS Lambda. How to build, run and deploy it: docs/deployment.md.
FROM public.ecr.aws/lambda/python:3.13

# The pinned packages come first: only a change of a pin installs them again.
COPY constraints/serve.txt ${LAMBDA_TASK_ROOT}/constraints/
RUN python -m pip install --no-cache-dir --only-binary=:all: --requirement ${LAMBDA_TASK_ROOT}/constraints/serve.txt

# The serving path and nothing else: no training, no readers of rating files. tests/integration/test_image.py
# compares this list with what handler.py imports.
COPY handler.py ${LAMBDA_TASK_ROOT}/
COPY model/__init__.py model/batches.py model/bundle.py model/checksums.py model/cli.py model/dates.py model/errors.py \
     model/features.py model/folders.py model/grouping.py model/history.py model/nearest.py model/neighbours.py model/progress.py \
     model/questions.py model/quick.py model/store.py model/suggestions.py model/table.py model/titles.py model/vectors.py model/views.py \
     ${LAMBDA_TASK_ROOT}/model/
COPY model/serving ${LAMBDA_TASK_ROOT}/model/serving/

# /var/task is read-only on Lambda, so what is not compiled here is compiled again at every cold start.
RUN python -m compileall -q ${LAMBDA_TASK_ROOT}

COPY artifacts/bundle ${LAMBDA_TASK_ROOT}/artifacts/bundle/

# Lambda runs the function under a user of its own, which must be able to read what a careful umask hid.
RUN chmod -R a+rX ${LAMBDA_TASK_ROOT}

ENV MODEL_BUNDLE=${LAMBDA_TASK_ROOT}/artifacts/bundle
ENV ORT_DISABLE_TELEMETRY=1

# Lambda ignores this; elsewhere the service needs no more than an ordinary user.
USER 1000:1000
CMD ["handler.handler"]
