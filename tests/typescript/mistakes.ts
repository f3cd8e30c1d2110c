// Mistakes that do not compile. This is never run: the compiler reports every expected error that is missing.

import type { Client } from "openapi-fetch";
import type { paths } from "./contract.js";

export async function mistakes(api: Client<paths>) {
  // @ts-expect-error: the path is misspelt
  await api.GET("/v1/prodcuts");
  // @ts-expect-error: the path has no such method
  await api.DELETE("/v1/products");
  // @ts-expect-error: the price is missing
  await api.POST("/v1/products", { body: { name: "Cup" } });
  // @ts-expect-error: a price is a number
  await api.POST("/v1/products", { body: { name: "Cup", price: "1" } });
  // @ts-expect-error: a limit is a number
  await api.GET("/v1/products", { params: { query: { limit: "many" } } });
  // @ts-expect-error: there is no such order
  await api.GET("/v1/products", { params: { query: { sort: "colour" } } });
  // @ts-expect-error: a search needs a term
  await api.GET("/v1/products/search", { params: { query: {} } });
  // @ts-expect-error: the id is missing
  await api.GET("/v1/products/{id}", { params: { path: {} } });

  const { data, error } = await api.GET("/v1/products/{id}", { params: { path: { id: "7" } } });
  // @ts-expect-error: there may be no product
  data.name;
  // @ts-expect-error: a product has no such member
  data?.colour;
  // @ts-expect-error: a problem has no such member
  error?.reason;
}
