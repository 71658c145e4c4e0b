package cometmq.interop;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.MessageQueueSelector;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Sends messages through the official producer and prints a fact for each acknowledgement.
 *
 * Message number seq has body = f(seq, size), key "prefix-seq" and property "seq". With --persist true a message is sent again
 * until it is acknowledged (same unique key), which is how one JVM goes on over any number of server kills.
 *
 * --mode sync|async|oneway|batch  --count N (0: until "stop")  --sizes 0,10,4096 (cyclic)  --batch-size N  --threads N
 * --tags a,b (cyclic)  --key-prefix k  --property name=value (repeatable)  --body random|text|utf8:TEXT
 * --queue index|hash|id:N|auto  --timeout ms  --retries N  --persist true  --pause ms  --delay-level N  --in-flight N
 * --max-message-size N  --compress-over N  --wait-store true  --first-seq N  --vip false
 */
public final class Produce {
    private static final MessageQueueSelector BY_ARGUMENT = (queues, message, argument) -> {
        int wanted = (Integer) argument;
        for (MessageQueue queue : queues) {
            if (queue.getQueueId() == wanted) {
                return queue;
            }
        }
        return queues.get(Math.floorMod(wanted, queues.size()));
    };

    private final Options options;
    private final DefaultMQProducer producer;
    private final String topic;
    private final String mode;
    private final int count;
    private final List<String> sizes;
    private final List<String> tags;
    private final List<String> properties;
    private final String keyPrefix;
    private final String body;
    private final String queue;
    private final int batchSize;
    private final boolean persist;
    private final int pauseMs;
    private final int delayLevel;
    private final boolean waitStore;
    private final int threads;
    private final int inFlightMax;
    private final Semaphore inFlight;
    private final AtomicLong nextSeq;
    private final long firstSeq;
    private final AtomicLong acked = new AtomicLong();
    private final AtomicLong failed = new AtomicLong();
    private volatile boolean stopping;

    private Produce(Options options) {
        this.options = options;
        producer = new DefaultMQProducer(options.text("group", "PID_interop"));
        producer.setNamesrvAddr(options.required("namesrv"));
        producer.setInstanceName(options.text("instance", "produce-" + ProcessHandle.current().pid()));
        producer.setSendMsgTimeout(options.number("timeout", 3000));
        int retries = options.number("retries", 2);
        producer.setRetryTimesWhenSendFailed(retries);
        producer.setRetryTimesWhenSendAsyncFailed(retries);
        producer.setMaxMessageSize(options.number("max-message-size", 4 * 1024 * 1024));
        producer.setCompressMsgBodyOverHowmuch(options.number("compress-over", 4096));
        producer.setPollNameServerInterval(options.number("poll-namesrv", 30000));
        producer.setVipChannelEnabled(options.flag("vip", false));
        topic = options.required("topic");
        mode = options.text("mode", "sync");
        count = options.number("count", 1);
        sizes = options.list("sizes", "100");
        tags = options.list("tags", "");
        properties = options.all("property");
        keyPrefix = options.text("key-prefix", "");
        body = options.text("body", "random");
        queue = options.text("queue", "auto");
        batchSize = options.number("batch-size", 10);
        persist = options.flag("persist", false);
        pauseMs = options.number("pause", 0);
        delayLevel = options.number("delay-level", 0);
        waitStore = options.flag("wait-store", true);
        threads = options.number("threads", 1);
        inFlightMax = options.number("in-flight", 64);
        inFlight = new Semaphore(inFlightMax);
        firstSeq = options.number("first-seq", 0);
        nextSeq = new AtomicLong(firstSeq);
        options.refuseUnknown();
    }

    public static void main(String[] args) throws Exception {
        Facts.exitWhenMainFails();
        new Produce(new Options(args)).run();
        System.exit(0);
    }

    private void run() throws Exception {
        Facts.onCommand(line -> {
            if (line.equals("stop")) {
                stopping = true;
            }
        });
        producer.start();
        Facts.of("ready").with("pid", ProcessHandle.current().pid()).print();
        List<Thread> senders = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            Thread sender = new Thread(this::sendAll, "sender-" + i);
            sender.start();
            senders.add(sender);
        }
        for (Thread sender : senders) {
            sender.join();
        }
        inFlight.acquire(inFlightMax);
        producer.shutdown();
        Facts.of("done").with("acked", acked.get()).with("failed", failed.get()).print();
    }

    private void sendAll() {
        try {
            while (!stopping) {
                int step = mode.equals("batch") ? batchSize : 1;
                long seq = nextSeq.getAndAdd(step);
                if (count > 0 && seq >= firstSeq + count) {
                    return;
                }
                sendOne(seq);
                if (pauseMs > 0) {
                    Thread.sleep(pauseMs);
                }
            }
        } catch (InterruptedException stop) {
            stopping = true;
        }
    }

    /** Sends message or batch number seq; with --persist again and again until it is acknowledged, even when stopping. */
    private void sendOne(long seq) throws InterruptedException {
        List<Message> batch = new ArrayList<>();
        int size = mode.equals("batch") ? batchSize : 1;
        for (int i = 0; i < size; i++) {
            batch.add(message(seq + i));
        }
        while (!attempt(seq, batch) && persist) {
            Thread.sleep(20);
        }
    }

    /** @return false when this attempt failed and may be repeated. */
    private boolean attempt(long seq, List<Message> batch) throws InterruptedException {
        Message message = batch.get(0);
        try {
            if (mode.equals("async")) {
                sendAsync(seq, message);
            } else if (mode.equals("oneway")) {
                sendOneway(message);
                acked.incrementAndGet();
                Facts.of("sent").with("seq", seq).with("msgId", message.getProperty("UNIQ_KEY"))
                    .with("size", message.getBody().length).with("sha256", Facts.sha256(message.getBody())).print();
            } else if (mode.equals("batch")) {
                printBatch(seq, batch, queue.startsWith("id:") ? producer.send(batch, queueOf(Integer.parseInt(queue.substring(3))))
                    : producer.send(batch));
            } else {
                byte[] sentBody = message.getBody();
                printAck(seq, message, sentBody, sendSync(seq, message));
            }
            return true;
        } catch (InterruptedException stop) {
            throw stop;
        } catch (Exception error) {
            failed.incrementAndGet();
            Facts.printError("failed", error, seq);
            return false;
        }
    }

    private SendResult sendSync(long seq, Message message) throws Exception {
        Integer choice = queueChoice(seq);
        return choice == null ? producer.send(message) : producer.send(message, BY_ARGUMENT, choice);
    }

    private void sendOneway(Message message) throws Exception {
        Integer choice = queueChoice(Long.parseLong(message.getUserProperty("seq")));
        if (choice == null) {
            producer.sendOneway(message);
        } else {
            producer.sendOneway(message, BY_ARGUMENT, choice);
        }
    }

    private void sendAsync(long seq, Message message) throws Exception {
        inFlight.acquire();
        byte[] sentBody = message.getBody();
        SendCallback callback = new SendCallback() {
            @Override
            public void onSuccess(SendResult result) {
                printAck(seq, message, sentBody, result);
                inFlight.release();
            }

            @Override
            public void onException(Throwable error) {
                failed.incrementAndGet();
                Facts.printError("failed", error, seq);
                inFlight.release();
            }
        };
        Integer choice = queueChoice(seq);
        try {
            if (choice == null) {
                producer.send(message, callback);
            } else {
                producer.send(message, BY_ARGUMENT, choice, callback);
            }
        } catch (Exception refused) {
            inFlight.release();
            throw refused;
        }
    }

    private Integer queueChoice(long seq) {
        if (queue.equals("auto")) {
            return null;
        }
        if (queue.equals("index")) {
            return (int) seq;
        }
        if (queue.equals("hash")) {
            return Long.hashCode(seq * 31);
        }
        return Integer.parseInt(queue.substring("id:".length()));
    }

    private MessageQueue queueOf(int queueId) throws Exception {
        for (MessageQueue candidate : producer.fetchPublishMessageQueues(topic)) {
            if (candidate.getQueueId() == queueId) {
                return candidate;
            }
        }
        throw new IllegalArgumentException("topic " + topic + " has no queue " + queueId);
    }

    private Message message(long seq) {
        Message message = new Message();
        message.setTopic(topic);
        message.setBody(bodyOf(seq));
        message.setWaitStoreMsgOK(waitStore);
        if (!tags.isEmpty()) {
            message.setTags(tags.get((int) (seq % tags.size())));
        }
        if (!keyPrefix.isEmpty()) {
            message.setKeys(keyPrefix + "-" + seq);
        }
        if (delayLevel > 0) {
            message.setDelayTimeLevel(delayLevel);
        }
        message.putUserProperty("seq", Long.toString(seq));
        for (String property : properties) {
            int equals = property.indexOf('=');
            message.putUserProperty(property.substring(0, equals), property.substring(equals + 1));
        }
        return message;
    }

    private byte[] bodyOf(long seq) {
        if (body.startsWith("utf8:")) {
            return (body.substring("utf8:".length()) + seq).getBytes(StandardCharsets.UTF_8);
        }
        byte[] bytes = new byte[Integer.parseInt(sizes.get((int) (seq % sizes.size())))];
        if (body.equals("random")) {
            new Random(seq).nextBytes(bytes);
        } else {
            byte[] pattern = ("message " + seq + " of a compressible kind; ").getBytes(StandardCharsets.UTF_8);
            for (int i = 0; i < bytes.length; i++) {
                bytes[i] = pattern[i % pattern.length];
            }
        }
        return bytes;
    }

    private void printAck(long seq, Message message, byte[] sentBody, SendResult result) {
        acked.incrementAndGet();
        ackOf(seq, message, sentBody, result).with("msgId", result.getMsgId())
            .with("offsetMsgId", result.getOffsetMsgId()).with("queueOffset", result.getQueueOffset()).print();
    }

    private void printBatch(long seq, List<Message> batch, SendResult result) {
        String[] ids = result.getMsgId().split(",");
        String[] offsetIds = result.getOffsetMsgId() == null ? new String[0] : result.getOffsetMsgId().split(",");
        for (int i = 0; i < batch.size(); i++) {
            Message message = batch.get(i);
            acked.incrementAndGet();
            ackOf(seq + i, message, message.getBody(), result).with("msgId", i < ids.length ? ids[i] : null)
                .with("offsetMsgId", i < offsetIds.length ? offsetIds[i] : null)
                .with("queueOffset", result.getQueueOffset() + i).print();
        }
    }

    private static Facts ackOf(long seq, Message message, byte[] sentBody, SendResult result) {
        return Facts.of("ack").with("seq", seq).with("status", result.getSendStatus().name())
            .with("topic", result.getMessageQueue().getTopic()).with("broker", result.getMessageQueue().getBrokerName())
            .with("queueId", result.getMessageQueue().getQueueId()).with("keys", message.getKeys())
            .with("tags", message.getTags()).with("size", sentBody.length).with("sha256", Facts.sha256(sentBody))
            .with("regionId", result.getRegionId());
    }
}
