// Swagger UI for the contract next to this page. Calls are signed in the browser, with the access key entered in the
// Authorize dialog, which is forgotten on reload.
"use strict";
(() => {
  const region = document.querySelector('meta[name="region"]').content;

  // Relative to this page, below any stage or base path, with or without a trailing slash in the page's URL.
  const contract = new URL("openapi.json", location.origin + location.pathname.replace(/\/+$/, ""));

  // ACCESS_KEY_ID:SECRET_ACCESS_KEY, or with :SESSION_TOKEN. Tokens and signatures have no colon, or contain spaces.
  const ACCESS_KEY = /^\s*(\w+):([^\s:]+)(?::([^\s:]+))?\s*$/;

  /** Signs a request whose Authorization is an access key with Signature Version 4; other requests stay unchanged. */
  async function sign(request) {
    const found = ACCESS_KEY.exec(request.headers?.Authorization ?? "");
    if (!found) return request;
    const [, accessKeyId, secretAccessKey, sessionToken] = found;
    const { Authorization: _, ...headers } = request.headers;
    // Browsers provide Web Crypto only over HTTPS and on localhost.
    if (!globalThis.crypto?.subtle) throw new Error("Calls can only be signed on a page that was loaded over HTTPS.");
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

  // Browsers do not send headers in UTF-8, so the sent text would differ from the signed text.
  const encoded = (text) =>
    encodeURIComponent(text).replace(/['()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);

  /** Encodes a reason with characters outside of ASCII as an extended value of RFC 8187. */
  function inAscii(request) {
    const isReason = ([name, value]) => name.toLowerCase() === "x-audit-reason" && /[^ -~]/.test(value);
    const [name, value] = Object.entries(request.headers ?? {}).find(isReason) ?? [];
    if (!name) return request;
    return { ...request, headers: { ...request.headers, [name]: `UTF-8''${encoded(value)}` } };
  }

  /**
   * Moves the examples of optional parameters into their descriptions. Swagger UI would send them: every conditional
   * request would fail, and all idempotent requests would have the same key.
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
    // The validator would send a request to another host.
    validatorUrl: null,
    requestInterceptor: (request) => sign(inAscii(request)),
    plugins: [onlyShowOptionalExamples],
  });
})();
