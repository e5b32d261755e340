// Spymemcached in the text or the binary protocol.

import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import net.spy.memcached.BinaryConnectionFactory;
import net.spy.memcached.CASResponse;
import net.spy.memcached.CASValue;
import net.spy.memcached.DefaultConnectionFactory;
import net.spy.memcached.MemcachedClient;

public class Spymemcached {
    interface Body {
        void run() throws Exception;
    }

    static void check(String name, Body body) {
        try {
            body.run();
            System.out.println("ok " + name);
        } catch (Throwable t) {
            System.out.println("FAIL " + name + ": " + String.valueOf(t).replaceAll("\\s+", " "));
        }
    }

    static void equal(Object got, Object want) {
        if (!String.valueOf(got).equals(String.valueOf(want))) throw new AssertionError("got " + got + ", want " + want);
    }

    public static void main(String[] args) throws Exception {
        boolean binary = "binary".equals(System.getenv("COMPAT_VARIANT"));
        System.setProperty("net.spy.log.LoggerImpl", "net.spy.memcached.compat.log.SunLogger");
        MemcachedClient c = new MemcachedClient(
            binary ? new BinaryConnectionFactory() : new DefaultConnectionFactory(), List.of(new InetSocketAddress(args[0], Integer.parseInt(args[1]))));
        System.out.println("version 2.12.3"); // Debian's; the jar does not say

        check("set and get", () -> {
            equal(c.set("k", 60, "v").get(5, TimeUnit.SECONDS), true);
            equal(c.get("k"), "v");
            equal(c.get("absent"), null);
        });
        check("getBulk", () -> {
            List<String> keys = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                c.set("m" + i, 60, i);
                keys.add("m" + i);
            }
            equal(c.getBulk(keys).size(), 100);
        });
        check("asyncGet, many", () -> {
            List<java.util.concurrent.Future<Object>> all = new ArrayList<>();
            for (int i = 0; i < 200; i++) all.add(c.asyncGet("m" + i % 100));
            for (int i = 0; i < 200; i++) equal(all.get(i).get(5, TimeUnit.SECONDS), i % 100);
        });
        check("add and replace", () -> {
            equal(c.add("k", 60, "x").get(), false);
            equal(c.replace("k", 60, "w").get(), true);
        });
        check("append and prepend", () -> {
            equal(c.append("k", ">").get(), true);
            equal(c.prepend("k", "<").get(), true);
            equal(c.get("k"), "<w>");
        });
        check("gets and cas", () -> {
            CASValue<Object> v = c.gets("k");
            equal(c.cas("k", v.getCas(), "x"), CASResponse.OK);
            equal(c.cas("k", v.getCas(), "y"), CASResponse.EXISTS);
        });
        check("incr and decr", () -> {
            equal(c.incr("n", 5, 10, 60), 10);
            equal(c.incr("n", 5), 15);
            equal(c.decr("n", 1), 14);
        });
        check("touch", () -> equal(c.touch("k", 100).get(), true));
        if (binary) check("getAndTouch", () -> equal(c.getAndTouch("k", 100).getValue(), "x"));
        check("a large value", () -> {
            equal(c.set("large", 60, "x".repeat(500_000)).get(), true);
            equal(((String) c.get("large")).length(), 500_000);
        });
        check("delete", () -> {
            equal(c.delete("k").get(), true);
            equal(c.delete("k").get(), false);
        });
        check("getVersions", () -> equal(c.getVersions().values().iterator().next().startsWith("1."), true));
        check("getStats", () -> equal(c.getStats().values().iterator().next().containsKey("pid"), true));
        check("getStats of settings", () -> equal(c.getStats("settings").values().iterator().next().size() > 5, true));
        check("flush", () -> {
            equal(c.flush().get(), true);
            equal(c.get("n"), null);
        });
        check("shutdown", () -> equal(c.shutdown(5, TimeUnit.SECONDS), true));
        System.out.println("done");
        System.exit(0);
    }
}
