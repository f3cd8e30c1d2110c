// GET /v1/products/{id} with Powertools and pg.

import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import pg from 'pg';

const SELECT = `
  select id, artisan_id, name, description, price, currency, version, created_at, updated_at
  from products
  where id = $1`;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const logger = new Logger({ serviceName: 'catalogue' });
const metrics = new Metrics({ namespace: 'Catalogue', serviceName: 'catalogue' });

pg.types.setTypeParser(pg.types.builtins.INT8, Number);
// A Date would drop the microseconds.
pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) => text.replace(' ', 'T').replace('+00', 'Z'));

// An execution environment of Lambda has one request at a time. The connection is opened while the function is
// initialised, and kept.
const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  options: '-c TimeZone=UTC',
  max: 1,
  idleTimeoutMillis: 0,
});
pool.on('error', (error) => logger.error('the connection is lost', error));
const connected = pool.connect().then((client) => client.release());

const answer = (statusCode, body, headers = {}) => ({
  statusCode,
  headers: { 'Content-Type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

const getProduct = async (id) => {
  if (!UUID.test(id)) {
    return answer(400, { message: 'id must be a UUID' });
  }
  const { rows } = await pool.query({ name: 'get-product', text: SELECT, values: [id] });
  if (rows.length === 0) {
    return answer(404, { message: 'There is no such product.' });
  }
  return answer(200, rows[0], { ETag: `"${rows[0].id}.${rows[0].version}"` });
};

export const handler = async (event, context) => {
  const started = performance.now();
  logger.addContext(context);
  logger.setCorrelationId(event.requestContext.requestId);
  await connected;
  const response = await getProduct(event.pathParameters.id);
  const milliseconds = performance.now() - started;
  metrics.addMetric('RequestCount', MetricUnit.Count, 1);
  metrics.addMetric('Latency', MetricUnit.Milliseconds, milliseconds);
  metrics.publishStoredMetrics();
  logger.info('request', {
    method: event.httpMethod,
    path: event.path,
    status: response.statusCode,
    duration_ms: milliseconds,
  });
  return response;
};
