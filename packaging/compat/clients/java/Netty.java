// Netty's codec for Redis and its SslHandler, on which Lettuce and Redisson stand, with the TLS of the JDK.

import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBufUtil;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.redis.ArrayRedisMessage;
import io.netty.handler.codec.redis.ErrorRedisMessage;
import io.netty.handler.codec.redis.FullBulkStringRedisMessage;
import io.netty.handler.codec.redis.IntegerRedisMessage;
import io.netty.handler.codec.redis.RedisArrayAggregator;
import io.netty.handler.codec.redis.RedisBulkStringAggregator;
import io.netty.handler.codec.redis.RedisDecoder;
import io.netty.handler.codec.redis.RedisEncoder;
import io.netty.handler.codec.redis.RedisMessage;
import io.netty.handler.codec.redis.SimpleStringRedisMessage;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import io.netty.util.Version;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.security.Security;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

public class Netty {
    interface Body {
        void run() throws Exception;
    }

    static final String manner = System.getenv().getOrDefault("COMPAT_TLS", "");
    static boolean replaced = manner.isEmpty();
    static String host;
    static int port;
    static SslContext tls;
    static final NioEventLoopGroup loop = new NioEventLoopGroup(1);

    static void check(String name, Body body) throws Exception {
        try {
            body.run();
            System.out.println("ok " + name);
        } catch (Throwable t) {
            System.out.println("FAIL " + name + ": " + String.valueOf(t).replaceAll("\\s+", " "));
            return;
        }
        if (!replaced) { // has everything of Pinion replaced under the connections that are open now, once
            replaced = true;
            System.out.println("waits");
            System.in.read();
        }
    }

    static void equal(Object got, Object want) {
        if (!String.valueOf(got).equals(String.valueOf(want))) throw new AssertionError("got " + got + ", want " + want);
    }

    /** A connection that gives replies as texts, in the order of their requests. */
    static class Connection extends SimpleChannelInboundHandler<RedisMessage> {
        final LinkedBlockingQueue<String> replies = new LinkedBlockingQueue<>();
        Channel channel;

        static Connection open() throws Exception {
            Connection c = new Connection();
            Bootstrap b = new Bootstrap().group(loop).channel(NioSocketChannel.class).handler(new ChannelInitializer<Channel>() {
                @Override
                protected void initChannel(Channel ch) {
                    ChannelPipeline p = ch.pipeline();
                    if (tls != null) p.addLast(tls.newHandler(ch.alloc(), host, port));
                    p.addLast(new RedisDecoder(), new RedisBulkStringAggregator(), new RedisArrayAggregator(), new RedisEncoder(), c);
                }
            });
            c.channel = b.connect(host, port).sync().channel();
            return c;
        }

        void send(String... words) {
            List<RedisMessage> parts = new ArrayList<>();
            for (String word : words) parts.add(new FullBulkStringRedisMessage(ByteBufUtil.writeUtf8(channel.alloc(), word)));
            channel.write(new ArrayRedisMessage(parts));
        }

        String next() throws Exception {
            channel.flush();
            String reply = replies.poll(15, TimeUnit.SECONDS);
            if (reply == null) throw new AssertionError("no reply");
            return reply;
        }

        String ask(String... words) throws Exception {
            send(words);
            return next();
        }

        @Override
        protected void channelRead0(ChannelHandlerContext ctx, RedisMessage m) {
            replies.add(text(m));
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext ctx, Throwable t) {
            replies.add("broken: " + t);
        }

        @Override
        public void channelInactive(ChannelHandlerContext ctx) {
            replies.add("closed");
        }
    }

    static String text(RedisMessage m) {
        if (m instanceof SimpleStringRedisMessage s) return s.content();
        if (m instanceof ErrorRedisMessage e) return "error " + e.content();
        if (m instanceof IntegerRedisMessage i) return String.valueOf(i.value());
        if (m instanceof ArrayRedisMessage a) return a.isNull() ? "null" : String.valueOf(a.children().stream().map(Netty::text).toList());
        if (m instanceof FullBulkStringRedisMessage b) return b.isNull() ? "null" : b.content().toString(StandardCharsets.UTF_8);
        return String.valueOf(m);
    }

    public static void main(String[] args) throws Exception {
        host = args[0];
        port = Integer.parseInt(args[1]);
        if ("updates".equals(System.getenv("COMPAT_VARIANT"))) {
            Security.setProperty("jdk.tls.keyLimits", "AES/GCM/NoPadding KeyUpdate 2^17, ChaCha20-Poly1305 KeyUpdate 2^17");
        }
        if (!manner.isEmpty()) {
            tls = SslContextBuilder.forClient().sslProvider(SslProvider.JDK).trustManager(new File(System.getenv("SSL_CERT_FILE")))
                .protocols(manner.equals("1.2") ? "TLSv1.2" : "TLSv1.3").build();
        }
        System.out.println("version " + Version.identify().get("netty-codec-redis").artifactVersion() + ", JDK " + System.getProperty("java.version"));
        Connection c = Connection.open();

        check("connect", () -> equal(c.ask("PING"), "PONG"));
        check("set and get", () -> {
            equal(c.ask("SET", "k", "v"), "OK");
            equal(c.ask("GET", "k"), "v");
            equal(c.ask("GET", "absent"), "null");
        });
        check("pipeline", () -> {
            for (int i = 0; i < 1000; i++) c.send("INCR", "n");
            for (int i = 1; i <= 1000; i++) equal(c.next(), i);
        });
        check("large values, many times", () -> {
            String large = "x".repeat(100_000);
            for (int i = 0; i < 100; i++) {
                equal(c.ask("SET", "large", large), "OK");
                equal(c.ask("GET", "large").equals(large), true);
            }
        });
        check("a transaction", () -> {
            equal(c.ask("MULTI"), "OK");
            equal(c.ask("SET", "t", "1"), "QUEUED");
            equal(c.ask("INCR", "t"), "QUEUED");
            equal(c.ask("EXEC"), "[OK, 2]");
        });
        check("BLPOP", () -> {
            Connection other = Connection.open();
            other.send("BLPOP", "list", "10");
            other.channel.flush();
            Thread.sleep(200);
            equal(c.ask("RPUSH", "list", "x"), 1);
            equal(other.next(), "[list, x]");
            other.channel.close().sync();
        });
        check("SUBSCRIBE", () -> {
            Connection other = Connection.open();
            equal(other.ask("SUBSCRIBE", "news"), "[subscribe, news, 1]");
            equal(c.ask("PUBLISH", "news", "m"), 1);
            equal(other.next(), "[message, news, m]");
            other.channel.close().sync();
        });
        check("a hundred connections", () -> {
            List<Connection> all = new ArrayList<>();
            for (int i = 0; i < 100; i++) all.add(Connection.open());
            for (Connection one : all) one.send("INCR", "hundred");
            for (Connection one : all) one.channel.flush();
            for (Connection one : all) one.next();
            for (Connection one : all) one.channel.close();
            equal(c.ask("GET", "hundred"), 100);
        });
        check("the first connection is still good", () -> equal(c.ask("GET", "k"), "v"));
        check("QUIT", () -> {
            equal(c.ask("QUIT"), "OK");
            equal(c.next(), "closed");
        });
        System.out.println("done");
        System.exit(0);
    }
}
