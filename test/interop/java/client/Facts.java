package cometmq.interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.FileOutputStream;
import java.io.FileDescriptor;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;

/** Prints one JSON object per line, and reads command lines from stdin. */
final class Facts {
    private static final PrintStream OUT =
        new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

    private final Map<String, Object> fields = new LinkedHashMap<>();

    private Facts(String kind) {
        fields.put("fact", kind);
    }

    static Facts of(String kind) {
        return new Facts(kind);
    }

    Facts with(String name, Object value) {
        if (value != null) {
            fields.put(name, value);
        }
        return this;
    }

    void print() {
        StringBuilder json = new StringBuilder(256);
        appendValue(json, fields);
        json.append('\n');
        byte[] line = json.toString().getBytes(StandardCharsets.UTF_8);
        synchronized (OUT) {
            OUT.write(line, 0, line.length);
            OUT.flush();
        }
    }

    static void printError(String kind, Throwable error, Object seq) {
        Integer code = null;
        if (error instanceof org.apache.rocketmq.client.exception.MQBrokerException) {
            code = ((org.apache.rocketmq.client.exception.MQBrokerException) error).getResponseCode();
        } else if (error instanceof org.apache.rocketmq.client.exception.MQClientException) {
            code = ((org.apache.rocketmq.client.exception.MQClientException) error).getResponseCode();
        }
        of(kind).with("seq", seq).with("error", error.getClass().getSimpleName())
            .with("message", String.valueOf(error.getMessage())).with("code", code).print();
    }

    /** A failure of the main thread ends the JVM with status 1, whatever threads the client or the store have started. */
    static void exitWhenMainFails() {
        Thread.currentThread().setUncaughtExceptionHandler((thread, error) -> {
            printError("crashed", error, null);
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
        });
    }

    static String sha256(byte[] body) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            StringBuilder hex = new StringBuilder(64);
            for (byte b : digest.digest(body == null ? new byte[0] : body)) {
                hex.append(Character.forDigit((b >> 4) & 15, 16)).append(Character.forDigit(b & 15, 16));
            }
            return hex.toString();
        } catch (java.security.NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /** Gives every stdin line to the handler on a daemon thread; the end of stdin counts as "stop". */
    static void onCommand(Consumer<String> handler) {
        Thread reader = new Thread(() -> {
            try (BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
                for (String line = in.readLine(); line != null; line = in.readLine()) {
                    handler.accept(line.trim());
                }
            } catch (java.io.IOException closed) {
                printError("stdinFailed", closed, null);
            }
            handler.accept("stop");
        }, "commands");
        reader.setDaemon(true);
        reader.start();
    }

    private static void appendValue(StringBuilder out, Object value) {
        if (value == null) {
            out.append("null");
        } else if (value instanceof Map) {
            char separator = '{';
            if (((Map<?, ?>) value).isEmpty()) {
                out.append('{');
            }
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                out.append(separator);
                appendString(out, String.valueOf(entry.getKey()));
                out.append(':');
                appendValue(out, entry.getValue());
                separator = ',';
            }
            out.append('}');
        } else if (value instanceof Iterable) {
            out.append('[');
            String separator = "";
            for (Object element : (Iterable<?>) value) {
                out.append(separator);
                appendValue(out, element);
                separator = ",";
            }
            out.append(']');
        } else if (value instanceof Number || value instanceof Boolean) {
            out.append(value);
        } else {
            appendString(out, value.toString());
        }
    }

    private static void appendString(StringBuilder out, String text) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < 0x20 || Character.isSurrogate(c)) {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        out.append('"');
    }
}
