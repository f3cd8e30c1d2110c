// Generated from the register of operations by `cargo xtask generate`: do not edit.

/** Every operation, by its `operationId`. */
export const OPERATIONS = {
  listProducts: {
    functionName: 'list-products',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/products', isOpen: false, operationId: 'listProducts' },
      { method: 'HEAD', path: '/v1/products', isOpen: false, operationId: 'headListProducts' },
    ],
    own: {},
  },
  searchProducts: {
    functionName: 'search-products',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/products/search', isOpen: false, operationId: 'searchProducts' },
      { method: 'HEAD', path: '/v1/products/search', isOpen: false, operationId: 'headSearchProducts' },
    ],
    own: {},
  },
  createProduct: {
    functionName: 'create-product',
    databaseRole: 'writer',
    routes: [
      { method: 'POST', path: '/v1/products', isOpen: false, operationId: 'createProduct' },
    ],
    own: {},
  },
  getProduct: {
    functionName: 'get-product',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/products/{id}', isOpen: false, operationId: 'getProduct' },
      { method: 'HEAD', path: '/v1/products/{id}', isOpen: false, operationId: 'headProduct' },
    ],
    own: {},
  },
  replaceProduct: {
    functionName: 'replace-product',
    databaseRole: 'writer',
    routes: [
      { method: 'PUT', path: '/v1/products/{id}', isOpen: false, operationId: 'replaceProduct' },
    ],
    own: {},
  },
  patchProduct: {
    functionName: 'patch-product',
    databaseRole: 'writer',
    routes: [
      { method: 'PATCH', path: '/v1/products/{id}', isOpen: false, operationId: 'patchProduct' },
    ],
    own: {},
  },
  deleteProduct: {
    functionName: 'delete-product',
    databaseRole: 'writer',
    routes: [
      { method: 'DELETE', path: '/v1/products/{id}', isOpen: false, operationId: 'deleteProduct' },
    ],
    own: {},
  },
  listProductHistory: {
    functionName: 'list-product-history',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/products/{id}/history', isOpen: false, operationId: 'listProductHistory' },
      { method: 'HEAD', path: '/v1/products/{id}/history', isOpen: false, operationId: 'headListProductHistory' },
    ],
    own: {},
  },
  listArtisans: {
    functionName: 'list-artisans',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/artisans', isOpen: false, operationId: 'listArtisans' },
      { method: 'HEAD', path: '/v1/artisans', isOpen: false, operationId: 'headListArtisans' },
    ],
    own: {},
  },
  searchArtisans: {
    functionName: 'search-artisans',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/artisans/search', isOpen: false, operationId: 'searchArtisans' },
      { method: 'HEAD', path: '/v1/artisans/search', isOpen: false, operationId: 'headSearchArtisans' },
    ],
    own: {},
  },
  createArtisan: {
    functionName: 'create-artisan',
    databaseRole: 'writer',
    routes: [
      { method: 'POST', path: '/v1/artisans', isOpen: false, operationId: 'createArtisan' },
    ],
    own: {},
  },
  getArtisan: {
    functionName: 'get-artisan',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/artisans/{id}', isOpen: false, operationId: 'getArtisan' },
      { method: 'HEAD', path: '/v1/artisans/{id}', isOpen: false, operationId: 'headArtisan' },
    ],
    own: {},
  },
  patchArtisan: {
    functionName: 'patch-artisan',
    databaseRole: 'writer',
    routes: [
      { method: 'PATCH', path: '/v1/artisans/{id}', isOpen: false, operationId: 'patchArtisan' },
    ],
    own: {},
  },
  deleteArtisan: {
    functionName: 'delete-artisan',
    databaseRole: 'writer',
    routes: [
      { method: 'DELETE', path: '/v1/artisans/{id}', isOpen: false, operationId: 'deleteArtisan' },
    ],
    own: {},
  },
  listArtisanProducts: {
    functionName: 'list-artisan-products',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/artisans/{id}/products', isOpen: false, operationId: 'listArtisanProducts' },
      { method: 'HEAD', path: '/v1/artisans/{id}/products', isOpen: false, operationId: 'headListArtisanProducts' },
    ],
    own: {},
  },
  listArtisanHistory: {
    functionName: 'list-artisan-history',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/artisans/{id}/history', isOpen: false, operationId: 'listArtisanHistory' },
      { method: 'HEAD', path: '/v1/artisans/{id}/history', isOpen: false, operationId: 'headListArtisanHistory' },
    ],
    own: {},
  },
  listChanges: {
    functionName: 'list-changes',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/changes', isOpen: false, operationId: 'listChanges' },
      { method: 'HEAD', path: '/v1/changes', isOpen: false, operationId: 'headListChanges' },
    ],
    own: {"timeoutSeconds":26},
  },
  getHealth: {
    functionName: 'get-health',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/health', isOpen: false, operationId: 'getHealth' },
      { method: 'HEAD', path: '/health', isOpen: false, operationId: 'headHealth' },
    ],
    own: {},
  },
  getOpenApi: {
    functionName: 'get-openapi',
    databaseRole: 'none',
    routes: [
      { method: 'GET', path: '/openapi.json', isOpen: true, operationId: 'getOpenApi' },
      { method: 'HEAD', path: '/openapi.json', isOpen: true, operationId: 'headOpenApi' },
      { method: 'GET', path: '/docs', isOpen: true, operationId: 'getDocs' },
      { method: 'HEAD', path: '/docs', isOpen: true, operationId: 'headDocs' },
    ],
    own: {},
  },
} as const;

/** The `operationId` of an operation. */
export type OperationId = keyof typeof OPERATIONS;

/** Request headers that pages of other origins may send. */
export const CORS_HEADERS = [
  'Amz-Sdk-Invocation-Id',
  'Amz-Sdk-Request',
  'Authorization',
  'Baggage',
  'Cache-Control',
  'Content-Type',
  'Idempotency-Key',
  'If-Match',
  'If-Modified-Since',
  'If-None-Match',
  'If-Unmodified-Since',
  'Pragma',
  'Sentry-Trace',
  'Traceparent',
  'Tracestate',
  'X-Amz-Content-Sha256',
  'X-Amz-Date',
  'X-Amz-Security-Token',
  'X-Amz-User-Agent',
  'X-Amzn-Trace-Id',
  'X-Api-Key',
  'X-Audit-Reason',
  'X-Correlation-Id',
  'X-Requested-With',
] as const;

/** Response headers that pages of other origins may read. */
export const EXPOSED_HEADERS = [
  'Accept-Patch',
  'Accept-Post',
  'Age',
  'Cache-Status',
  'ETag',
  'Idempotency-Replayed',
  'Link',
  'Location',
  'Retry-After',
  'X-Amzn-ErrorType',
  'X-Amzn-RequestId',
  'X-Correlation-Id',
] as const;

/** Every gateway response, with its status, title and `Retry-After`, and whether the request may have
 * been carried out. */
export const GATEWAY_RESPONSES = {
  ACCESS_DENIED: {
    status: 403,
    title: 'Forbidden',
    retryAfterSeconds: null,
    carriedOut: null,
  },
  API_CONFIGURATION_ERROR: {
    status: 500,
    title: 'Internal Server Error',
    retryAfterSeconds: null,
    carriedOut: 'unknown',
  },
  AUTHORIZER_CONFIGURATION_ERROR: {
    status: 500,
    title: 'Internal Server Error',
    retryAfterSeconds: null,
    carriedOut: 'no',
  },
  AUTHORIZER_FAILURE: {
    status: 500,
    title: 'Internal Server Error',
    retryAfterSeconds: null,
    carriedOut: 'no',
  },
  BAD_REQUEST_BODY: {
    status: 400,
    title: 'Bad Request',
    retryAfterSeconds: null,
    carriedOut: null,
  },
  BAD_REQUEST_PARAMETERS: {
    status: 400,
    title: 'Bad Request',
    retryAfterSeconds: null,
    carriedOut: null,
  },
  DEFAULT_4XX: {
    status: 400,
    title: 'Bad Request',
    retryAfterSeconds: null,
    carriedOut: null,
  },
  DEFAULT_5XX: {
    status: 500,
    title: 'Internal Server Error',
    retryAfterSeconds: null,
    carriedOut: 'unknown',
  },
  EXPIRED_TOKEN: {
    status: 403,
    title: 'Forbidden',
    retryAfterSeconds: null,
    carriedOut: null,
  },
  INTEGRATION_FAILURE: {
    status: 502,
    title: 'Bad Gateway',
    retryAfterSeconds: null,
    carriedOut: 'unknown',
  },
  INTEGRATION_TIMEOUT: {
    status: 504,
    title: 'Gateway Timeout',
    retryAfterSeconds: null,
    carriedOut: 'unknown',
  },
  INVALID_API_KEY: {
    status: 403,
    title: 'Forbidden',
    retryAfterSeconds: null,
    carriedOut: null,
  },
  INVALID_SIGNATURE: {
    status: 403,
    title: 'Forbidden',
    retryAfterSeconds: null,
    carriedOut: null,
  },
  MISSING_AUTHENTICATION_TOKEN: {
    status: 403,
    title: 'Forbidden',
    retryAfterSeconds: null,
    carriedOut: null,
  },
  QUOTA_EXCEEDED: {
    status: 429,
    title: 'Too Many Requests',
    retryAfterSeconds: null,
    carriedOut: null,
  },
  RESOURCE_NOT_FOUND: {
    status: 404,
    title: 'Not Found',
    retryAfterSeconds: null,
    carriedOut: null,
  },
  THROTTLED: {
    status: 429,
    title: 'Too Many Requests',
    retryAfterSeconds: 1,
    carriedOut: null,
  },
  UNAUTHORIZED: {
    status: 401,
    title: 'Unauthorized',
    retryAfterSeconds: null,
    carriedOut: null,
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    title: 'Unsupported Media Type',
    retryAfterSeconds: null,
    carriedOut: null,
  },
  WAF_FILTERED: {
    status: 403,
    title: 'Forbidden',
    retryAfterSeconds: null,
    carriedOut: null,
  },
} as const;
