"""Situations and goods, written for measuring which sentence finds the right kind of goods: English and Chinese side by side.

12 kinds of goods with 5 items each; 24 situations, two a kind: own words, signals that a caller might give, and the time.
"""

ITEMS = {
    "rain": [
        ("Compact windproof umbrella with automatic opening", "自动开合防风折叠雨伞"),
        ("Waterproof rain jacket with hood", "带帽防水雨衣"),
        ("Rubber rain boots for wet days", "下雨天穿的橡胶雨靴"),
        ("Rain poncho for cyclists", "骑车用雨披"),
        ("Water repellent spray for shoes and coats", "鞋子和外套用的防水喷雾"),
    ],
    "cooking": [
        ("Spaghetti and tomato sauce from Italy", "意大利面配番茄酱"),
        ("Cast iron frying pan", "铸铁平底煎锅"),
        ("Cookbook of quick family dinners", "快手家庭晚餐食谱"),
        ("Chef's knife made of steel", "不锈钢厨师刀"),
        ("Fresh vegetables and herbs for soup", "煲汤用的新鲜蔬菜和香料"),
    ],
    "running": [
        ("Light running shoes with cushioning", "轻便缓震跑步鞋"),
        ("Fitness tracker with heart rate monitor", "带心率监测的运动手环"),
        ("Breathable sports shirt for training", "透气运动训练衫"),
        ("Protein bars for athletes", "运动员蛋白能量棒"),
        ("Yoga and stretching mat", "瑜伽拉伸垫"),
    ],
    "toys": [
        ("Building blocks for children from three years", "三岁以上儿童积木"),
        ("Soft teddy bear", "柔软的泰迪熊玩偶"),
        ("Picture book with animals for toddlers", "幼儿动物绘本"),
        ("Wooden train set", "木制小火车玩具"),
        ("Crayons and colouring book for kids", "儿童蜡笔和填色书"),
    ],
    "camping": [
        ("Two person tent for hiking", "双人徒步帐篷"),
        ("Warm sleeping bag for cold nights", "寒夜保暖睡袋"),
        ("Hiking backpack with 50 litres", "50升登山背包"),
        ("Gas stove and pots for the campsite", "露营用燃气炉和锅具"),
        ("Head torch with rechargeable battery", "可充电头灯"),
    ],
    "office": [
        ("Laptop for work with long battery life", "长续航办公笔记本电脑"),
        ("Ergonomic office chair", "人体工学办公椅"),
        ("Wireless keyboard and mouse", "无线键盘和鼠标"),
        ("Notebook and ballpoint pens", "笔记本和圆珠笔"),
        ("Desk lamp with adjustable light", "可调光台灯"),
    ],
    "films": [
        ("Romantic comedy film for a cosy evening", "温馨夜晚的浪漫喜剧电影"),
        ("Science fiction series, all seasons", "科幻电视剧全集"),
        ("Thriller about a missing detective", "侦探失踪的惊悚片"),
        ("Animated film for the whole family", "全家观看的动画电影"),
        ("Documentary about the deep sea", "深海纪录片"),
    ],
    "music": [
        ("Noise cancelling headphones", "降噪耳机"),
        ("Portable bluetooth speaker for parties", "派对便携蓝牙音箱"),
        ("Acoustic guitar for beginners", "初学者原声吉他"),
        ("Playlist of calm piano music", "舒缓钢琴曲歌单"),
        ("Vinyl record of classic jazz", "经典爵士黑胶唱片"),
    ],
    "skin": [
        ("Moisturising face cream for dry skin", "干性皮肤保湿面霜"),
        ("Sunscreen with high protection", "高倍防晒霜"),
        ("Shampoo for damaged hair", "受损发质洗发水"),
        ("Lipstick and make-up set", "口红彩妆套装"),
        ("Facial mask with aloe vera", "芦荟补水面膜"),
    ],
    "pets": [
        ("Dry food for adult dogs", "成犬干粮"),
        ("Cat litter without smell", "除臭猫砂"),
        ("Leash and collar for dogs", "狗狗牵引绳和项圈"),
        ("Scratching post for cats", "猫抓柱"),
        ("Aquarium with filter for fish", "带过滤器的鱼缸"),
    ],
    "repair": [
        ("Cordless drill with screwdriver bits", "充电式电钻和螺丝刀头"),
        ("Wall paint and rollers", "墙面油漆和滚筒"),
        ("Tool box with hammer and pliers", "锤子钳子工具箱"),
        ("Drain cleaner for the bathroom", "浴室管道疏通剂"),
        ("Vacuum cleaner for carpets", "地毯吸尘器"),
    ],
    "travel": [
        ("Cabin suitcase with four wheels", "四轮登机行李箱"),
        ("Travel guide to Japan", "日本旅行指南"),
        ("Neck pillow for long flights", "长途飞行颈枕"),
        ("Universal plug adapter for foreign countries", "出国用万能转换插头"),
        ("Flight and hotel package to the islands", "海岛机票加酒店套餐"),
    ],
}

SITUATIONS: list[tuple[str, str, str, dict[str, str], int]] = [
    (
        "rain",
        "It is pouring outside and I have to walk to the station",
        "外面下着大雨，我得走路去车站",
        {"weather": "rain", "place": "work"},
        0,
    ),
    (
        "rain",
        "I got completely wet on my bike this morning",
        "今天早上骑车全身都湿透了",
        {"weather": "rainy", "device": "phone"},
        1,
    ),
    (
        "cooking",
        "My friends come over and I want to make dinner",
        "朋友要来，我想做一顿晚饭",
        {"company": "friends", "place": "home"},
        2,
    ),
    ("cooking", "I am hungry and want something warm to eat", "我饿了，想做点热的吃", {"place": "home", "weather": "snow"}, 3),
    (
        "running",
        "I want to get fit and start jogging in the park",
        "我想锻炼身体，开始在公园慢跑",
        {"activity": "sport", "weather": "sunny"},
        4,
    ),
    ("running", "Tomorrow is my first half marathon", "明天是我的第一次半程马拉松", {"mood": "nervous", "company": "alone"}, 5),
    (
        "toys",
        "A birthday present for my four year old daughter",
        "给四岁女儿的生日礼物",
        {"company": "family", "device": "phone"},
        6,
    ),
    (
        "toys",
        "The kids are bored and need something to play with",
        "孩子们很无聊，需要玩的东西",
        {"company": "children", "weather": "rain"},
        7,
    ),
    (
        "camping",
        "We are going to sleep outside in the mountains",
        "我们要去山里露营过夜",
        {"company": "friends", "weather": "sunny"},
        8,
    ),
    (
        "camping",
        "A long hike through the forest at the weekend",
        "周末去森林里长途徒步",
        {"company": "partner", "mood": "happy"},
        9,
    ),
    ("office", "I work from home now and my back hurts", "我现在在家办公，背很疼", {"place": "home", "mood": "tired"}, 10),
    ("office", "I need a new computer for my job", "我工作需要一台新电脑", {"place": "work", "device": "computer"}, 11),
    (
        "films",
        "Something to watch together on the sofa tonight",
        "今晚一起在沙发上看点什么",
        {"company": "partner", "place": "home"},
        12,
    ),
    ("films", "I feel like being scared a bit, lights off", "想关灯看点刺激吓人的", {"company": "alone", "mood": "bored"}, 13),
    ("music", "I want to listen to songs while commuting", "通勤路上想听歌", {"activity": "commuting", "device": "phone"}, 14),
    (
        "music",
        "We are having a party in the garden and want to dance",
        "我们在花园开派对，想跳舞",
        {"company": "friends", "weather": "warm"},
        15,
    ),
    ("skin", "My face is dry and itchy in the winter air", "冬天脸又干又痒", {"weather": "snow", "place": "home"}, 16),
    ("skin", "I burn easily in the strong sun", "太阳太强，我很容易晒伤", {"weather": "sunny", "place": "beach"}, 17),
    ("pets", "We just adopted a puppy", "我们刚领养了一只小狗", {"company": "family", "mood": "happy"}, 18),
    ("pets", "My kitten keeps clawing the sofa", "我的小猫总是抓沙发", {"place": "home", "mood": "annoyed"}, 19),
    ("repair", "I have to hang a shelf on the wall", "我要在墙上装一个架子", {"place": "home", "activity": "renovating"}, 20),
    ("repair", "The floor is dirty and the sink is blocked", "地板脏了，水槽也堵了", {"place": "home", "mood": "annoyed"}, 21),
    ("travel", "Our holiday abroad starts next week", "下周我们就出国度假了", {"company": "family", "mood": "happy"}, 22),
    (
        "travel",
        "Ten hours on the plane and I cannot sleep",
        "要坐十个小时飞机，我睡不着",
        {"activity": "travelling", "company": "alone"},
        23,
    ),
]
"""Kind, own words in English and Chinese, signals, number (which picks the time)."""


def at(number: int) -> float:
    """Return a time that has nothing to do with what is said: hours, weekdays and months run through their values."""
    return 1_767_225_600.0 + number * 86_400 * 15 + number * 5 * 3600
