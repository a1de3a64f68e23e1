# One image for every role: the command says which. Nothing of the embedded stores' data lives in it.
FROM python:3.13-slim AS build
WORKDIR /build
COPY pyproject.toml requirements.lock README.md LICENSE ./
RUN python -m venv /daybook \
 && /daybook/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY booking booking
COPY journal journal
COPY commands commands
COPY projections projections
COPY api api
COPY daybook daybook
RUN /daybook/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home daybook
COPY --from=build /daybook /daybook
USER 10001
WORKDIR /tmp
ENV PATH=/daybook/bin:$PATH PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=8000 APP_ENV=production
EXPOSE 8000
ENTRYPOINT ["daybook"]
CMD ["api"]
