// Generated from the register of operations by `cargo xtask generate`: do not edit.

/** Every operation, by its `operationId`. */
export const OPERATIONS = {
  listProducts: {
    functionName: 'list-products',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/products' },
    ],
  },
  searchProducts: {
    functionName: 'search-products',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/products/search' },
    ],
  },
  createProduct: {
    functionName: 'create-product',
    databaseRole: 'writer',
    routes: [
      { method: 'POST', path: '/v1/products' },
    ],
  },
  getProduct: {
    functionName: 'get-product',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/products/{id}' },
      { method: 'HEAD', path: '/v1/products/{id}' },
    ],
  },
  replaceProduct: {
    functionName: 'replace-product',
    databaseRole: 'writer',
    routes: [
      { method: 'PUT', path: '/v1/products/{id}' },
    ],
  },
  patchProduct: {
    functionName: 'patch-product',
    databaseRole: 'writer',
    routes: [
      { method: 'PATCH', path: '/v1/products/{id}' },
    ],
  },
  deleteProduct: {
    functionName: 'delete-product',
    databaseRole: 'writer',
    routes: [
      { method: 'DELETE', path: '/v1/products/{id}' },
    ],
  },
  listProductHistory: {
    functionName: 'list-product-history',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/products/{id}/history' },
    ],
  },
  listArtisans: {
    functionName: 'list-artisans',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/artisans' },
    ],
  },
  searchArtisans: {
    functionName: 'search-artisans',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/artisans/search' },
    ],
  },
  createArtisan: {
    functionName: 'create-artisan',
    databaseRole: 'writer',
    routes: [
      { method: 'POST', path: '/v1/artisans' },
    ],
  },
  getArtisan: {
    functionName: 'get-artisan',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/artisans/{id}' },
      { method: 'HEAD', path: '/v1/artisans/{id}' },
    ],
  },
  patchArtisan: {
    functionName: 'patch-artisan',
    databaseRole: 'writer',
    routes: [
      { method: 'PATCH', path: '/v1/artisans/{id}' },
    ],
  },
  deleteArtisan: {
    functionName: 'delete-artisan',
    databaseRole: 'writer',
    routes: [
      { method: 'DELETE', path: '/v1/artisans/{id}' },
    ],
  },
  listArtisanProducts: {
    functionName: 'list-artisan-products',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/artisans/{id}/products' },
    ],
  },
  listArtisanHistory: {
    functionName: 'list-artisan-history',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/v1/artisans/{id}/history' },
    ],
  },
  getHealth: {
    functionName: 'get-health',
    databaseRole: 'reader',
    routes: [
      { method: 'GET', path: '/health' },
    ],
  },
  getOpenApi: {
    functionName: 'get-openapi',
    databaseRole: 'none',
    routes: [
      { method: 'GET', path: '/openapi.json' },
      { method: 'GET', path: '/docs' },
    ],
  },
} as const;

/** The `operationId` of an operation. */
export type OperationId = keyof typeof OPERATIONS;
