package cometmq.interop;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Asks offsets through the official clients' own API. Commands come as "--do" options or as stdin lines, one fact each:
 * "queues TOPIC", "max TOPIC QUEUE", "min TOPIC QUEUE", "search TOPIC QUEUE TIMESTAMP", "earliest TOPIC QUEUE",
 * "committed TOPIC QUEUE", "commit TOPIC QUEUE OFFSET", "pull TOPIC QUEUE OFFSET COUNT [EXPRESSION]", "stop".
 * A command that fails prints the fact "failed" with the client's own words.
 */
@SuppressWarnings("deprecation")
public final class Queries {
    private final DefaultMQPullConsumer consumer;

    private Queries(DefaultMQPullConsumer consumer) {
        this.consumer = consumer;
    }

    public static void main(String[] args) throws Exception {
        Facts.exitWhenMainFails();
        Options options = new Options(args);
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(options.text("group", "CID_interop_queries"));
        consumer.setNamesrvAddr(options.required("namesrv"));
        consumer.setInstanceName("queries-" + ProcessHandle.current().pid());
        consumer.setVipChannelEnabled(false);
        List<String> commands = new ArrayList<>(options.all("do"));
        options.refuseUnknown();
        consumer.start();
        Queries queries = new Queries(consumer);
        LinkedBlockingQueue<String> lines = new LinkedBlockingQueue<>(commands);
        if (commands.isEmpty()) {
            Facts.onCommand(lines::add);
        } else {
            lines.add("stop");
        }
        Facts.of("ready").with("pid", ProcessHandle.current().pid()).print();
        for (String line = lines.take(); !line.equals("stop"); line = lines.take()) {
            try {
                queries.answer(line).with("command", line).print();
            } catch (Exception refused) {
                Facts.printError("failed", refused, line);
            }
        }
        consumer.shutdown();
        System.exit(0);
    }

    private Facts answer(String line) throws Exception {
        String[] words = line.split(" ");
        String topic = words[1];
        if (words[0].equals("queues")) {
            List<String> names = new ArrayList<>();
            consumer.fetchSubscribeMessageQueues(topic).stream().sorted()
                .forEach(queue -> names.add(queue.getBrokerName() + "@" + queue.getQueueId()));
            return Facts.of("queues").with("queues", names);
        }
        MessageQueue queue = queueOf(topic, Integer.parseInt(words[2]));
        switch (words[0]) {
            case "max":
                return Facts.of("max").with("offset", consumer.maxOffset(queue));
            case "min":
                return Facts.of("min").with("offset", consumer.minOffset(queue));
            case "earliest":
                return Facts.of("earliest").with("timestamp", consumer.earliestMsgStoreTime(queue));
            case "search":
                return Facts.of("search").with("offset", consumer.searchOffset(queue, Long.parseLong(words[3])));
            case "committed":
                return Facts.of("committed").with("offset", consumer.fetchConsumeOffset(queue, true));
            case "commit":
                // A broker takes offsets only for groups that it knows, and knows a group from its first heartbeat.
                consumer.getDefaultMQPullConsumerImpl().getRebalanceImpl().getmQClientFactory().sendHeartbeatToAllBrokerWithLock();
                consumer.getDefaultMQPullConsumerImpl().getOffsetStore()
                    .updateConsumeOffsetToBroker(queue, Long.parseLong(words[3]), false);
                return Facts.of("commit").with("offset", Long.valueOf(words[3]));
            case "pull":
                return pull(queue, Long.parseLong(words[3]), Integer.parseInt(words[4]), words.length > 5 ? words[5] : "*");
            default:
                throw new IllegalArgumentException("unknown command " + words[0]);
        }
    }

    private Facts pull(MessageQueue queue, long offset, int count, String expression) throws Exception {
        PullResult result = consumer.pull(queue, expression, offset, count);
        List<String> hashes = new ArrayList<>();
        if (result.getMsgFoundList() != null) {
            for (MessageExt message : result.getMsgFoundList()) {
                hashes.add(message.getQueueOffset() + ":" + Facts.sha256(message.getBody()));
            }
        }
        return Facts.of("pull").with("status", result.getPullStatus().name()).with("nextBeginOffset", result.getNextBeginOffset())
            .with("minOffset", result.getMinOffset()).with("maxOffset", result.getMaxOffset()).with("messages", hashes);
    }

    private MessageQueue queueOf(String topic, int queueId) throws Exception {
        for (MessageQueue candidate : consumer.fetchSubscribeMessageQueues(topic)) {
            if (candidate.getQueueId() == queueId) {
                return candidate;
            }
        }
        throw new IllegalArgumentException("topic " + topic + " has no queue " + queueId);
    }
}
