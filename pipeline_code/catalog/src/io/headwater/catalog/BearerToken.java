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
 * Lets a request through when it carries the expected bearer token, and answers 401 in the REST catalog's
 * error shape otherwise. Only {@code GET /healthz} needs no token.
 */
final class BearerToken extends Handler.Wrapper {
    static final String HEALTH_PATH = "/healthz";
    static final String TOKEN_PATH = "/v1/oauth/tokens";
    private static final String UNAUTHORIZED =
            "{\"error\":{\"message\":\"A valid bearer token is required\",\"type\":\"NotAuthorizedException\",\"code\":401}}";

    private final byte[] expected;
    private final String token;

    BearerToken(String token, Handler next) {
        super(next);
        this.token = token;
        this.expected = ("Bearer " + token).getBytes(StandardCharsets.UTF_8);
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) throws Exception {
        String path = Request.getPathInContext(request);
        if (HEALTH_PATH.equals(path)) {
            return answer(response, callback, HttpStatus.OK_200, "{\"status\":\"ok\"}");
        }
        if (!authorized(request.getHeaders().get(HttpHeader.AUTHORIZATION))) {
            response.getHeaders().put(HttpHeader.WWW_AUTHENTICATE, "Bearer realm=\"catalog\"");
            return answer(response, callback, HttpStatus.UNAUTHORIZED_401, UNAUTHORIZED);
        }
        if (TOKEN_PATH.equals(path)) {
            // A client that refreshes its token gets the same one back: it has just proved that it holds it.
            return answer(response, callback, HttpStatus.OK_200, "{\"access_token\":\"" + token
                    + "\",\"token_type\":\"bearer\",\"expires_in\":86400,"
                    + "\"issued_token_type\":\"urn:ietf:params:oauth:token-type:access_token\"}");
        }
        return super.handle(request, response, callback);
    }

    /** Compares in a time that does not depend on how much of the token is right. */
    private boolean authorized(String header) {
        return header != null && MessageDigest.isEqual(expected, header.getBytes(StandardCharsets.UTF_8));
    }

    private static boolean answer(Response response, Callback callback, int status, String json) {
        response.setStatus(status);
        response.getHeaders().put(HttpHeader.CONTENT_TYPE, "application/json");
        response.getHeaders().put(HttpHeader.CACHE_CONTROL, "no-store");
        Content.Sink.write(response, true, json, callback);
        return true;
    }
}
