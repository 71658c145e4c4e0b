package cometmq.interop;

import java.io.File;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.MixAll;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

/** Opens Apache's own DefaultMessageStore on a directory, without a broker and without a network. */
final class StoreOpener {
    private StoreOpener() {
    }

    /** --dir DIR, and --set key=value (repeatable) for any key of MessageStoreConfig. */
    static DefaultMessageStore open(Options options) throws Exception {
        String root = options.required("dir");
        MessageStoreConfig config = new MessageStoreConfig();
        config.setStorePathRootDir(root);
        config.setStorePathCommitLog(root + File.separator + "commitlog");
        config.setDiskMaxUsedSpaceRatio(95);
        config.setHaListenPort(options.number("ha-port", 20099));
        Properties properties = new Properties();
        for (String setting : options.all("set")) {
            int equals = setting.indexOf('=');
            properties.setProperty(setting.substring(0, equals), setting.substring(equals + 1));
        }
        MixAll.properties2Object(properties, config);
        BrokerConfig brokerConfig = new BrokerConfig();
        brokerConfig.setBrokerIP1("127.0.0.1");
        DefaultMessageStore store = new DefaultMessageStore(config, new BrokerStatsManager(brokerConfig), null, brokerConfig,
            new ConcurrentHashMap<String, TopicConfig>());
        if (!store.load()) {
            throw new IllegalStateException("Apache's store did not load " + root);
        }
        store.start();
        Facts.of("opened").with("minPhysicalOffset", store.getMinPhyOffset()).with("maxPhysicalOffset", store.getMaxPhyOffset())
            .with("dispatchBehindBytes", store.dispatchBehindBytes()).print();
        return store;
    }

    /** Waits until the queues have caught up with the log. */
    static void awaitDispatch(DefaultMessageStore store) throws InterruptedException {
        while (store.dispatchBehindBytes() > 0) {
            Thread.sleep(10);
        }
    }

    static Map<String, Object> checkpoint(DefaultMessageStore store) {
        Map<String, Object> fields = new java.util.LinkedHashMap<>();
        fields.put("physicMsgTimestamp", store.getStoreCheckpoint().getPhysicMsgTimestamp());
        fields.put("logicsMsgTimestamp", store.getStoreCheckpoint().getLogicsMsgTimestamp());
        fields.put("indexMsgTimestamp", store.getStoreCheckpoint().getIndexMsgTimestamp());
        fields.put("masterFlushedOffset", store.getStoreCheckpoint().getMasterFlushedOffset());
        fields.put("confirmPhyOffset", store.getStoreCheckpoint().getConfirmPhyOffset());
        return fields;
    }
}
