-- Constraints and indexes of the shop, made after the bulk load: building them once is several times faster.
ALTER TABLE shop.customers ADD CONSTRAINT customers_pkey PRIMARY KEY (customer_id);
ALTER TABLE shop.products
ADD CONSTRAINT products_pkey PRIMARY KEY (product_id),
ADD CONSTRAINT products_sku_key UNIQUE (sku);
ALTER TABLE shop.stores
ADD CONSTRAINT stores_pkey PRIMARY KEY (store_id),
ADD CONSTRAINT stores_name_key UNIQUE (name);
ALTER TABLE shop.orders
ADD CONSTRAINT orders_pkey PRIMARY KEY (order_id),
ADD CONSTRAINT orders_channel_check CHECK (channel IN ('web', 'app', 'store')),
ADD CONSTRAINT orders_status_check
CHECK (status IN ('placed', 'paid', 'shipped', 'delivered', 'returned', 'cancelled')),
ADD CONSTRAINT orders_store_check CHECK ((channel = 'store') = (store_id IS NOT NULL)),
ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES shop.customers (customer_id),
ADD CONSTRAINT orders_store_id_fkey FOREIGN KEY (store_id) REFERENCES shop.stores (store_id);
ALTER TABLE shop.order_items
ADD CONSTRAINT order_items_pkey PRIMARY KEY (order_item_id),
ADD CONSTRAINT order_items_quantity_check CHECK (quantity > 0),
ADD CONSTRAINT order_items_returned_check CHECK (returned_quantity IN (0, quantity)),
ADD CONSTRAINT order_items_order_id_fkey FOREIGN KEY (order_id) REFERENCES shop.orders (order_id),
ADD CONSTRAINT order_items_product_id_fkey FOREIGN KEY (product_id) REFERENCES shop.products (product_id);

CREATE INDEX customers_updated_at_idx ON shop.customers (updated_at);
CREATE INDEX products_updated_at_idx ON shop.products (updated_at);
CREATE INDEX stores_updated_at_idx ON shop.stores (updated_at);
CREATE INDEX orders_updated_at_idx ON shop.orders (updated_at);
CREATE INDEX orders_open_idx ON shop.orders (order_id) WHERE status IN ('placed', 'paid', 'shipped');
CREATE INDEX order_items_updated_at_idx ON shop.order_items (updated_at);
CREATE INDEX order_items_order_id_idx ON shop.order_items (order_id);
