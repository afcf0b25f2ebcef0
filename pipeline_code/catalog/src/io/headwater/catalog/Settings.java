package io.headwater.catalog;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * What the environment says.
 *
 * <p>{@code CATALOG_TOKEN}: the bearer token, at least 16 letters, digits or {@code -._~+/=}.
 * {@code CATALOG_LOADER_TOKEN}: another one, for ingestion; without it there is none. {@code CATALOG_BIND_HOST}
 * and {@code CATALOG_PORT}: where to listen (0.0.0.0, 8181). Every other {@code CATALOG_*} variable is an Iceberg
 * catalog property: the prefix goes, {@code __} becomes {@code -}, {@code _} becomes {@code .}, letters become small
 * ({@code CATALOG_S3_ACCESS__KEY__ID} is {@code s3.access-key-id}).
 */
record Settings(String token, String loaderToken, String host, int port, Map<String, String> catalog) {
    private static final String PREFIX = "CATALOG_";
    private static final Set<String> OWN = 
            Set.of("CATALOG_TOKEN", "CATALOG_LOADER_TOKEN", "CATALOG_BIND_HOST", "CATALOG_PORT");

    static Settings from(Map<String, String> environment) {
        String token = token("CATALOG_TOKEN", environment.get("CATALOG_TOKEN"));
        String loaderToken = environment.get("CATALOG_LOADER_TOKEN");
        if (loaderToken != null && token("CATALOG_LOADER_TOKEN", loaderToken).equals(token)) {
            throw new IllegalArgumentException("CATALOG_LOADER_TOKEN must differ from CATALOG_TOKEN: it opens less");
        }
        Map<String, String> properties = new HashMap<>();
        environment.forEach((name, value) -> {
            // Kubernetes adds CATALOG_SERVICE_HOST, CATALOG_PORT_8181_TCP... for the Service named catalog.
            if (name.startsWith(PREFIX) && !OWN.contains(name) && !name.matches("CATALOG_(SERVICE|PORT)_.*")) {
                properties.put(propertyName(name), value);
            }
        });
        for (String required : new String[] {"uri", "warehouse"}) {
            if (!properties.containsKey(required)) {
                throw new IllegalArgumentException(PREFIX + required.toUpperCase(Locale.ROOT) + " must be set");
            }
        }
        properties.putIfAbsent("catalog-impl", "org.apache.iceberg.jdbc.JdbcCatalog");
        properties.putIfAbsent("jdbc.schema-version", "V1");
        properties.putIfAbsent("io-impl", "org.apache.iceberg.aws.s3.S3FileIO");
        // A restarted PostgreSQL ends connections with these; the pool then connects anew and repeats the statement.
        properties.putIfAbsent("retryable_status_codes", "57P01,57P02,57P03");
        properties.putIfAbsent("clients", "4");
        return new Settings(token, loaderToken, environment.getOrDefault("CATALOG_BIND_HOST", "0.0.0.0"),
                port(environment.get("CATALOG_PORT")), Map.copyOf(properties));
    }

    private static String token(String variable, String value) {
        if (value == null || !value.matches("[A-Za-z0-9._~+/=-]{16,}")) {
            throw new IllegalArgumentException(variable + " must be set to at least 16 of the characters"
                    + " A-Z a-z 0-9 - . _ ~ + / =");
        }
        return value;
    }

    private static String propertyName(String variable) {
        return variable.substring(PREFIX.length()).replace("__", "-").replace("_", ".").toLowerCase(Locale.ROOT);
    }

    private static int port(String value) {
        // tcp://... is Kubernetes' own variable for a Service named catalog, not a setting.
        if (value == null || value.startsWith("tcp://")) {
            return 8181;
        }
        int port = Integer.parseInt(value);
        if (port < 1 || port > 65535) {
            throw new IllegalArgumentException("CATALOG_PORT must be between 1 and 65535, not " + value);
        }
        return port;
    }
}
