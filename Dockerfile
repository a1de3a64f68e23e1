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
COPY audit audit
COPY api api
COPY daybook daybook
RUN /daybook/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Daybook" org.opencontainers.image.licenses="MIT"
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin daybook
COPY --from=build /daybook /daybook
USER 10001
WORKDIR /tmp
# The file system is read-only where we are run well: bytecode is in the image already.
ENV PATH=/daybook/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0 PORT=8000 APP_ENV=production
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["daybook"]
CMD ["api"]
