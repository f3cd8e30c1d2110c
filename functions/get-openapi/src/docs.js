// Swagger UI on the contract that is beside this page. Calls are signed here, in the browser, with the access key that
// the Authorize dialog was given; a reload forgets it.
"use strict";
(() => {
  const region = document.querySelector('meta[name="region"]').content;

  // Below any stage or base path, with a slash at the end of this page's address or without.
  const contract = new URL("openapi.json", location.origin + location.pathname.replace(/\/+$/, ""));

  // ACCESS_KEY_ID:SECRET_ACCESS_KEY, or with :SESSION_TOKEN. Tokens and signatures have no colon, or have spaces.
  const ACCESS_KEY = /^\s*(\w+):([^\s:]+)(?::([^\s:]+))?\s*$/;

  /** The request with a Signature Version 4 in the place of an access key; any other request as it is. */
  async function sign(request) {
    const found = ACCESS_KEY.exec(request.headers?.Authorization ?? "");
    if (!found) return request;
    const [, accessKeyId, secretAccessKey, sessionToken] = found;
    const { Authorization: _, ...headers } = request.headers;
    // Browsers have cryptography on HTTPS and on this machine only.
    if (!globalThis.crypto?.subtle) throw new Error("Calls can be signed on a page that came over HTTPS only.");
    const signer = new aws4fetch.AwsV4Signer({
      method: request.method,
      url: request.url,
      headers,
      body: request.body,
      accessKeyId,
      secretAccessKey,
      sessionToken,
      service: "execute-api",
      region,
    });
    const signed = await signer.sign();
    return { ...request, url: signed.url.href, headers: Object.fromEntries(signed.headers) };
  }

  // Browsers send no header in UTF-8: what would be sent is another text than the one that is signed.
  const encoded = (text) =>
    encodeURIComponent(text).replace(/['()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);

  /** The request with a reason in ASCII: as an extended value of RFC 8187, if it has other characters. */
  function inAscii(request) {
    const isReason = ([name, value]) => name.toLowerCase() === "x-audit-reason" && /[^ -~]/.test(value);
    const [name, value] = Object.entries(request.headers ?? {}).find(isReason) ?? [];
    if (!name) return request;
    return { ...request, headers: { ...request.headers, [name]: `UTF-8''${encoded(value)}` } };
  }

  /**
   * Shows the examples of what may be left out, and leaves it out. Swagger UI would send them: every conditional request
   * would fail, and every idempotent one be the same.
   */
  const onlyShowOptionalExamples = {
    statePlugins: {
      spec: {
        wrapActions: {
          updateJsonSpec: (update) => (contract) => {
            const operations = Object.values(contract.paths ?? {}).flatMap((path) => [path, ...Object.values(path)]);
            const shared = Object.values(contract.components?.parameters ?? {});
            for (const parameter of [...operations.flatMap(({ parameters = [] }) => parameters), ...shared]) {
              if (parameter.required || parameter.example === undefined) continue;
              parameter.description = `${parameter.description ?? ""}\n\nExample: \`${parameter.example}\``;
              delete parameter.example;
            }
            return update(contract);
          },
        },
      },
    },
  };

  SwaggerUIBundle({
    url: contract.href,
    dom_id: "#ui",
    deepLinking: true,
    displayRequestDuration: true,
    tryItOutEnabled: true,
    persistAuthorization: false,
    // It would ask a host elsewhere.
    validatorUrl: null,
    requestInterceptor: (request) => sign(inAscii(request)),
    plugins: [onlyShowOptionalExamples],
  });
})();
