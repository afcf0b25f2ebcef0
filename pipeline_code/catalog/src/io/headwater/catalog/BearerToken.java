package io.headwater.catalog;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;

/**
 * Lets a request through when it carries one of two bearer tokens, and answers 401 in the REST catalog's error shape
 * otherwise. The token of ingestion opens what {@link LoaderRights} allows; 403 is the answer to anything else.
 * Only {@code GET /healthz} needs no token.
 */
final class BearerToken extends Handler.Wrapper {
    static final String HEALTH_PATH = "/healthz";
    static final String TOKEN_PATH = "/v1/oauth/tokens";
    static final String NAMESPACES_PATH = "/v1/namespaces";
    private static final String UNAUTHORIZED =
            "{\"error\":{\"message\":\"A valid bearer token is required\",\"type\":\"NotAuthorizedException\",\"code\":401}}";

    private static final String EXISTS =
            "{\"error\":{\"message\":\"The namespace of ingestion exists, and its token makes no other\","
                    + "\"type\":\"AlreadyExistsException\",\"code\":409}}";
    private static final String FORBIDDEN =
            "{\"error\":{\"message\":\"The token of ingestion opens the tables of namespace raw only, and deletes no files\","
                    + "\"type\":\"ForbiddenException\",\"code\":403}}";

    private final String token;
    private final String loaderToken;

    /** {@code loaderToken}: that of ingestion, null where there is none. */
    BearerToken(String token, String loaderToken, Handler next) {
        super(next);
        this.token = token;
        this.loaderToken = loaderToken;
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) throws Exception {
        String path = Request.getPathInContext(request);
        if (HEALTH_PATH.equals(path)) {
            return answer(response, callback, HttpStatus.OK_200, "{\"status\":\"ok\"}");
        }
        String header = request.getHeaders().get(HttpHeader.AUTHORIZATION);
        boolean loader = carries(header, loaderToken);
        if (!loader && !carries(header, token)) {
            response.getHeaders().put(HttpHeader.WWW_AUTHENTICATE, "Bearer realm=\"catalog\"");
            return answer(response, callback, HttpStatus.UNAUTHORIZED_401, UNAUTHORIZED);
        }
        if (TOKEN_PATH.equals(path)) {
            // A client that refreshes its token gets the same one back: it has just proved that it holds it.
            return answer(response, callback, HttpStatus.OK_200, "{\"access_token\":\"" + (loader ? loaderToken : token)
                    + "\",\"token_type\":\"bearer\",\"expires_in\":86400,"
                    + "\"issued_token_type\":\"urn:ietf:params:oauth:token-type:access_token\"}");
        }
        if (loader && "POST".equals(request.getMethod()) && NAMESPACES_PATH.equals(request.getHttpURI().getPath())) {
            // A namespace may have a place of its own; the one of ingestion is made at the start.
            return answer(response, callback, HttpStatus.CONFLICT_409, EXISTS);
        }
        if (loader && !LoaderRights.allow(request.getMethod(), request.getHttpURI())) {
            return answer(response, callback, HttpStatus.FORBIDDEN_403, FORBIDDEN);
        }
        return super.handle(request, response, callback);
    }

    /** Compares in a time that does not depend on how much of the token is right. */
    private static boolean carries(String header, String token) {
        return header != null && token != null && MessageDigest.isEqual(
                ("Bearer " + token).getBytes(StandardCharsets.UTF_8), header.getBytes(StandardCharsets.UTF_8));
    }

    private static boolean answer(Response response, Callback callback, int status, String json) {
        response.setStatus(status);
        response.getHeaders().put(HttpHeader.CONTENT_TYPE, "application/json");
        response.getHeaders().put(HttpHeader.CACHE_CONTROL, "no-store");
        Content.Sink.write(response, true, json, callback);
        return true;
    }
}
