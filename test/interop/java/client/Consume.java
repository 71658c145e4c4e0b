package cometmq.interop;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Receives messages through the official push consumer and prints a fact for each delivery, and one ("queues") whenever the
 * queues assigned to it change.
 *
 * --topic T (repeatable) --group G --expression "*" --mode concurrent|orderly --from first|last|timestamp --timestamp yyyyMMddHHmmss
 * --instance NAME --model clustering|broadcasting --fail-first k (the first k deliveries of each message are refused)
 * --retry-level N (delay level of a refusal, 0: the broker's choice) --max-reconsume N --count N (0: until "stop")
 * --threads N --pull-batch N --consume-batch N --pause ms (per delivery) --print-properties true
 */
public final class Consume {
    private static final int QUEUES_POLL_MS = 100;

    private final DefaultMQPushConsumer consumer;
    private final List<String> topics;
    private final String expression;
    private final boolean orderly;
    private final int failFirst;
    private final int retryLevel;
    private final int count;
    private final int pauseMs;
    private final boolean printProperties;
    private final String group;
    private final AtomicLong received = new AtomicLong();
    private final Map<String, AtomicInteger> refusals = new ConcurrentHashMap<>();
    private final CountDownLatch end = new CountDownLatch(1);
    private volatile String assigned = "";

    private Consume(Options options) throws Exception {
        group = options.required("group");
        consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(options.required("namesrv"));
        consumer.setInstanceName(options.text("instance", "consume-" + ProcessHandle.current().pid()));
        consumer.setConsumeFromWhere(ConsumeFromWhere.valueOf(fromWhere(options.text("from", "first"))));
        String timestamp = options.text("timestamp", null);
        if (timestamp != null) {
            consumer.setConsumeTimestamp(timestamp);
        }
        int threads = options.number("threads", 4);
        consumer.setConsumeThreadMin(threads);
        consumer.setConsumeThreadMax(threads);
        consumer.setPullBatchSize(options.number("pull-batch", 32));
        consumer.setConsumeMessageBatchMaxSize(options.number("consume-batch", 1));
        consumer.setMaxReconsumeTimes(options.number("max-reconsume", -1));
        consumer.setPollNameServerInterval(options.number("poll-namesrv", 30000));
        consumer.setHeartbeatBrokerInterval(options.number("heartbeat", 30000));
        consumer.setPersistConsumerOffsetInterval(options.number("persist-interval", 5000));
        consumer.setSuspendCurrentQueueTimeMillis(options.number("suspend", 1000));
        consumer.setVipChannelEnabled(options.flag("vip", false));
        setModel(consumer, options.text("model", "clustering"));
        topics = options.all("topic");
        expression = options.text("expression", "*");
        orderly = options.text("mode", "concurrent").equals("orderly");
        failFirst = options.number("fail-first", 0);
        retryLevel = options.number("retry-level", 0);
        count = options.number("count", 0);
        pauseMs = options.number("pause", 0);
        printProperties = options.flag("print-properties", true);
        options.refuseUnknown();
    }

    public static void main(String[] args) throws Exception {
        Facts.exitWhenMainFails();
        new Consume(new Options(args)).run();
        System.exit(0);
    }

    private void run() throws Exception {
        for (String topic : topics) {
            consumer.subscribe(topic, expression);
        }
        if (orderly) {
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                context.setAutoCommit(true);
                return consume(messages, context.getMessageQueue()) ? ConsumeOrderlyStatus.SUCCESS
                    : ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            });
        } else {
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                if (consume(messages, context.getMessageQueue())) {
                    return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
                }
                context.setDelayLevelWhenNextConsume(retryLevel);
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            });
        }
        Facts.onCommand(line -> {
            if (line.equals("stop")) {
                end.countDown();
            }
        });
        consumer.start();
        Facts.of("ready").with("pid", ProcessHandle.current().pid()).with("clientId", consumer.buildMQClientId()).print();
        watchAssignment();
        end.await();
        consumer.shutdown();
        Facts.of("done").with("received", received.get()).print();
    }

    /** @return false when the delivery is refused. */
    private boolean consume(List<MessageExt> messages, MessageQueue queue) {
        boolean accept = true;
        for (MessageExt message : messages) {
            accept &= accepts(message);
            print(message, queue);
        }
        if (pauseMs > 0) {
            try {
                Thread.sleep(pauseMs);
            } catch (InterruptedException ending) {
                Thread.currentThread().interrupt();
            }
        }
        if (accept && received.addAndGet(messages.size()) >= count && count > 0) {
            end.countDown();
        }
        return accept;
    }

    private boolean accepts(MessageExt message) {
        if (failFirst == 0) {
            return true;
        }
        return refusals.computeIfAbsent(message.getMsgId(), id -> new AtomicInteger()).incrementAndGet() > failFirst;
    }

    private void print(MessageExt message, MessageQueue queue) {
        String offsetMsgId = message instanceof org.apache.rocketmq.common.message.MessageClientExt
            ? ((org.apache.rocketmq.common.message.MessageClientExt) message).getOffsetMsgId() : null;
        byte[] body = message.getBody();
        Facts.of("message").with("seq", seqOf(message)).with("msgId", message.getMsgId()).with("offsetMsgId", offsetMsgId)
            .with("topic", message.getTopic()).with("broker", queue.getBrokerName()).with("queueId", message.getQueueId())
            .with("queueOffset", message.getQueueOffset()).with("physicalOffset", message.getCommitLogOffset())
            .with("keys", message.getKeys()).with("tags", message.getTags()).with("size", body == null ? 0 : body.length)
            .with("sha256", Facts.sha256(body)).with("reconsumeTimes", message.getReconsumeTimes())
            .with("bornHost", String.valueOf(message.getBornHost())).with("storeHost", String.valueOf(message.getStoreHost()))
            .with("sysFlag", message.getSysFlag()).with("bodyCrc", message.getBodyCRC())
            .with("thread", Thread.currentThread().getId())
            .with("properties", printProperties ? new TreeMap<>(message.getProperties()) : null).print();
    }

    private static Long seqOf(MessageExt message) {
        String seq = message.getUserProperty("seq");
        return seq == null ? null : Long.valueOf(seq);
    }

    private void watchAssignment() {
        Thread watcher = new Thread(() -> {
            try {
                while (!Thread.currentThread().isInterrupted()) {
                    printAssignmentChange();
                    Thread.sleep(QUEUES_POLL_MS);
                }
            } catch (InterruptedException ending) {
                Thread.currentThread().interrupt();
            }
        }, "assignment");
        watcher.setDaemon(true);
        watcher.start();
    }

    private void printAssignmentChange() {
        TreeSet<String> queues = new TreeSet<>();
        for (MessageQueue queue : consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet()) {
            queues.add(queue.getTopic() + "@" + queue.getBrokerName() + "@" + queue.getQueueId());
        }
        if (!queues.toString().equals(assigned)) {
            assigned = queues.toString();
            Facts.of("queues").with("assigned", queues).print();
        }
    }

    private static String fromWhere(String name) {
        switch (name) {
            case "first":
                return "CONSUME_FROM_FIRST_OFFSET";
            case "last":
                return "CONSUME_FROM_LAST_OFFSET";
            case "timestamp":
                return "CONSUME_FROM_TIMESTAMP";
            default:
                throw new IllegalArgumentException("--from is first, last or timestamp, not " + name);
        }
    }

    /** MessageModel lives in different packages in the 4.9 and the 5.5 client, hence the reflection. */
    @SuppressWarnings({"unchecked", "rawtypes"})
    private static void setModel(DefaultMQPushConsumer consumer, String name) throws Exception {
        for (java.lang.reflect.Method method : DefaultMQPushConsumer.class.getMethods()) {
            if (method.getName().equals("setMessageModel")) {
                Class type = method.getParameterTypes()[0];
                method.invoke(consumer, Enum.valueOf(type, name.toUpperCase(java.util.Locale.ROOT)));
                return;
            }
        }
        throw new IllegalStateException("this client has no setMessageModel");
    }
}
