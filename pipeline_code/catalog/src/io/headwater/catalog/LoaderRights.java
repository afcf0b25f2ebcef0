package io.headwater.catalog;

import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;
import org.eclipse.jetty.http.HttpURI;
import org.eclipse.jetty.util.Fields;
import org.eclipse.jetty.util.UrlEncoded;

/**
 * What the token of ingestion opens: the tables of namespace {@code raw}, and no deletion of files.
 *
 * <p>The catalog deletes the files of a purged table, and reads the metadata file of a registered one, with its own
 * key of the object store, which opens the whole lake. Whatever is not named here is refused.
 */
final class LoaderRights {
    private static final Set<String> READ = Set.of("GET", "HEAD");
    static final String NAMESPACE = "raw";
    private static final String RAW = "/v1/namespaces/" + NAMESPACE;
    /** A table's name is one segment of the path, percent-encoded: no slash, no parameter, and not a step upwards. */
    private static final Pattern TABLES =
            Pattern.compile(RAW + "/tables(/(?!\\.{1,2}(/|$))[^/;?#]+(/metrics)?)?");
    private static final Pattern HIDDEN = Pattern.compile("%2e|%2f|%5c|%00", Pattern.CASE_INSENSITIVE);

    private LoaderRights() {}

    /** Whether the token of ingestion may send this request. */
    static boolean allow(String method, HttpURI uri) {
        String path = uri.getPath();
        if (path == null || HIDDEN.matcher(path).find()) {
            return false;
        }
        return switch (path) {
            case "/v1/config", RAW -> READ.contains(method);
            case "/v1/namespaces" -> READ.contains(method);
            default -> TABLES.matcher(path).matches() && !purges(uri.getQuery());
        };
    }

    /** Whether a deletion is to take the files along. What can't be read as a query counts as if it did. */
    private static boolean purges(String query) {
        if (query == null) {
            return false;
        }
        Fields fields = new Fields(true);
        try {
            UrlEncoded.decodeUtf8To(query, fields);
        } catch (RuntimeException unreadable) {
            return true;
        }
        for (Fields.Field field : fields) {
            if (field.getName().toLowerCase(Locale.ROOT).contains("purge")
                    && field.getValues().stream().anyMatch(value -> !value.equalsIgnoreCase("false"))) {
                return true;
            }
        }
        return false;
    }
}
