package io.headwater.catalog;

import java.time.Duration;
import java.util.Map;
import java.util.logging.ConsoleHandler;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.apache.iceberg.CatalogUtil;
import org.apache.iceberg.catalog.Catalog;
import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.SupportsNamespaces;
import org.apache.iceberg.exceptions.AlreadyExistsException;
import org.apache.iceberg.jdbc.UncheckedSQLException;
import org.apache.iceberg.rest.RESTCatalogAdapter;
import org.apache.iceberg.rest.RESTCatalogServlet;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.handler.GracefulHandler;
import org.eclipse.jetty.util.thread.QueuedThreadPool;

/** The Iceberg REST catalog behind a bearer token. Reads its {@link Settings} from the environment. */
public final class CatalogServer {
    private static final Logger LOG = Logger.getLogger(CatalogServer.class.getName());
    private static final Duration DATABASE_WAIT = Duration.ofSeconds(90);
    private static final Duration RETRY = Duration.ofSeconds(1);
    /** Below Kubernetes' default grace period of 30 s, so that commits under way end before the kill. */
    private static final Duration DRAIN = Duration.ofSeconds(20);

    private CatalogServer() {}

    public static void main(String[] arguments) {
        logAsJson();
        try {
            Settings settings = Settings.from(System.getenv());
            Catalog catalog = open(settings.catalog());
            if (settings.loaderToken() != null) {
                makeNamespace((SupportsNamespaces) catalog);
            }
            Server server = server(settings, catalog);
            server.start();
            LOG.info(() -> "listening on " + settings.host() + ":" + settings.port()
                    + ", warehouse " + settings.catalog().get("warehouse"));
            server.join();
        } catch (Exception failure) {
            LOG.log(Level.SEVERE, "the catalog could not start", failure);
            System.exit(1);
        }
    }

    /** Opens the backing catalog, waiting up to 90 s for its database to accept connections. */
    private static Catalog open(Map<String, String> properties) throws InterruptedException {
        long deadline = System.nanoTime() + DATABASE_WAIT.toNanos();
        while (true) {
            try {
                return CatalogUtil.buildIcebergCatalog("headwater", properties, null);
            } catch (UncheckedSQLException failure) {
                if (System.nanoTime() > deadline) {
                    throw failure;
                }
                LOG.info(() -> "waiting for the database: " + rootMessage(failure));
                Thread.sleep(RETRY.toMillis());
            }
        }
    }

    /** Makes the namespace of ingestion, whose token makes none. */
    private static void makeNamespace(SupportsNamespaces catalog) {
        Namespace raw = Namespace.of(LoaderRights.NAMESPACE);
        if (!catalog.namespaceExists(raw)) {
            try {
                catalog.createNamespace(raw);
            } catch (AlreadyExistsException raced) {
                LOG.info("another server has made the namespace of ingestion");
            }
        }
    }

    private static Server server(Settings settings, Catalog catalog) {
        ServletContextHandler servlets = new ServletContextHandler(ServletContextHandler.NO_SESSIONS);
        servlets.setContextPath("/");
        servlets.addServlet(new ServletHolder(new RESTCatalogServlet(new RESTCatalogAdapter(catalog))), "/*");

        QueuedThreadPool threads = new QueuedThreadPool(32, 4);
        threads.setName("http");
        Server server = new Server(threads);
        HttpConfiguration http = new HttpConfiguration();
        http.setSendServerVersion(false);
        // A commit's request carries whole schemas and statistics; its headers stay small.
        http.setRequestHeaderSize(16 * 1024);
        ServerConnector connector = new ServerConnector(server, 1, 1, new HttpConnectionFactory(http));
        connector.setHost(settings.host());
        connector.setPort(settings.port());
        server.addConnector(connector);
        server.setHandler(new GracefulHandler(new BearerToken(settings.token(), settings.loaderToken(), servlets)));
        server.setStopTimeout(DRAIN.toMillis());
        server.setStopAtShutdown(true);
        return server;
    }

    private static void logAsJson() {
        Logger root = Logger.getLogger("");
        for (Handler handler : root.getHandlers()) {
            root.removeHandler(handler);
        }
        Handler console = new ConsoleHandler();
        console.setFormatter(new JsonFormatter());
        root.addHandler(console);
        root.setLevel(Level.INFO);
    }

    private static String rootMessage(Throwable failure) {
        Throwable cause = failure;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause.getMessage();
    }
}
