-- A role that reads what a database's owner makes, now and later. Variables: role, database;
-- environment: POSTGRES_PASSWORD_FILE. Safe to repeat.
SET log_min_error_statement = panic;
\set password `cat "$POSTGRES_PASSWORD_FILE"`
SELECT format('CREATE ROLE %I LOGIN', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" LOGIN PASSWORD :'password';
ALTER ROLE :"role" SET default_transaction_read_only = on;
GRANT CONNECT ON DATABASE :"database" TO :"role";
SELECT pg_get_userbyid(datdba) AS owner FROM pg_database WHERE datname = :'database' \gset
\connect :"database"
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" GRANT USAGE ON SCHEMAS TO :"role";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" GRANT SELECT ON TABLES TO :"role";
SELECT format('GRANT USAGE ON SCHEMA %I TO %I', nspname, :'role')
FROM pg_namespace WHERE pg_get_userbyid(nspowner) = :'owner' \gexec
SELECT format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', nspname, :'role')
FROM pg_namespace WHERE pg_get_userbyid(nspowner) = :'owner' \gexec
