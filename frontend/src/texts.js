// @ts-check
/** Every word the page says, in English and in Korean. */

/** @import { Progress } from "./types.js" */

/** @param {number} fraction */
const percent = (fraction) => `${Math.floor(100 * fraction)} %`;

const ENGLISH = {
  language: "en",
  player: (/** @type {string} */ name) => `Video player: ${name}`,
  playback: "Playback",
  play: "Play (space)",
  pause: "Pause (space)",
  first: "First frame (Home)",
  previous: "Previous frame (,)",
  next: "Next frame (.)",
  last: "Last frame (End)",
  speed: "Speed",
  soundOff: "Sound off (m)",
  soundOn: "Sound on (m)",
  loop: "Play again and again (l)",
  loopSelection: "Play the selection again and again (l)",
  fullScreen: "Full screen (f)",
  leaveFullScreen: "Leave full screen (f)",
  noFullScreen: "The browser did not allow full screen here.",
  settings: "Settings",
  keys: "Keys (?)",
  frame: "frame",
  frameInput: "Go to frame, or to a time such as 0:01.5",
  frameInputHint:
    "Go to a frame, or to a time such as 0:01.5: type and press Enter. The first frame is 0.",
  notAPlace: (/** @type {string} */ typed) =>
    `“${typed}” is neither a frame number nor a time such as 0:01.5.`,
  progress: "Progress",
  tryAgain: "Try again",

  timeline: "Timeline",
  timelineHint: "Drag to seek, shift+drag to select, wheel to zoom",
  touchHint: "Drag to seek, pinch to zoom, ⚙ to select",
  truth: "truth",
  model: "model",
  noPredictionHere: "no prediction here",
  noTruthHere: "not labelled here",
  unknownTruth: (/** @type {string} */ names) => `? ${names} (no model has this label)`,
  divergenceAt: (/** @type {string} */ value) => `divergence ${value} nats`,
  clipSeen: (/** @type {number} */ first, /** @type {number} */ last) =>
    `seen: frames ${first} to ${last}`,
  selected: (/** @type {number} */ count, /** @type {string} */ seconds) =>
    `${count} ${count === 1 ? "frame" : "frames"} selected (${seconds} s)`,
  clearSelection: "Clear the selection (Esc)",
  zoomIn: "Zoom in (+)",
  zoomOut: "Zoom out (-)",
  zoomAll: "Whole video (0)",

  topOf: (/** @type {number} */ count, /** @type {string} */ title) => `Top ${count} of ${title}`,
  right: "right",
  wrong: "wrong",
  rightShare: (/** @type {string} */ share) => `✓ ${share}`,
  rightShareHint: (/** @type {number} */ right, /** @type {number} */ known) =>
    `Right for ${right} of the ${known} predictions whose truth is known`,
  predictionsFailed: (/** @type {string} */ why) => `The predictions cannot be shown: ${why}`,
  overlaysFailed: (/** @type {string} */ why) =>
    `Boxes, keypoints, curves and heat maps cannot be shown: ${why}`,
  noPredictions: "No predictions yet. Get some, and see what the model says for each frame:",

  divergencePeak: (/** @type {string} */ value) => `Δ divergence, at most ${value} nats`,
  agree: "the models agree throughout",
  disagreements: (/** @type {number} */ count) =>
    count === 1 ? "1 disagreement" : `${count} disagreements`,
  disagreementOf: (/** @type {number} */ index, /** @type {number} */ count) =>
    `disagreement ${index} of ${count}`,
  previousDisagreement: "Previous disagreement (p)",
  nextDisagreement: "Next disagreement (n)",
  noneAfter: "No disagreement after this frame.",
  noneBefore: "No disagreement before this frame.",

  drawOnPicture: "On the picture",
  overlays: {
    label: "Label",
    caption: "Label on black",
    bars: "Bars",
    boxes: "Boxes",
    keypoints: "Keypoints",
    heat: "Heat map",
  },
  coloredBy: "Skeletons coloured by",
  colors: { person: "person", confidence: "confidence", model: "model" },
  heatShown: "Which heat map",
  heatOpacity: "How much the heat map covers",
  heatAbout: (/** @type {string} */ what, /** @type {string} */ label, /** @type {string} */ prob) =>
    `${what} for ${label}, ${prob}`,
  /** @type {Record<string, string>} what values are, as the kernel calls it */
  heatKinds: { "drop of probability": "Drop of probability" },
  noHeatHere: "no heat map for this frame",
  goToHeat: (/** @type {number} */ frame) => `Nearest: frame ${frame}`,
  apartOf: (/** @type {string} */ mean) => `mean ${mean}`,
  readings: "At this frame",
  threshold: "Threshold",
  thresholdHint: "Predictions below it are greyed",
  thresholdUse: "Use a threshold",
  playing: "Playing",
  loopShort: "Loop",
  zoom: "Timeline",
  whole: "Whole",
  selection: "Selection",
  selectFrom: "From here",
  selectTo: "To here",
  selectFromHere: "From here: the selection starts at this frame ([)",
  selectToHere: "To here: the selection ends at this frame (])",

  transcodedFrom: (/** @type {string} */ codec) => `transcoded from ${codec}`,
  repackaged: "repackaged",
  scaled: "shown smaller than it is",
  noH264:
    "This browser cannot play H.264 video. Open the notebook in a browser that can, such as Chrome, Edge, Firefox or Safari.",
  wantsClick: "The browser wants a click in the page before it plays sound. Press play.",
  opening: "Opening the video …",
  asking: "Asking the kernel for the video …",
  silent: (/** @type {number} */ seconds) =>
    `The kernel has not answered for ${seconds} s: it is busy with another cell, or not running. If it is not running, run this cell again.`,
  kernelEnded: {
    short: "The kernel has ended. Run this cell again.",
    notLoaded:
      "This part was not loaded before the kernel ended. Run this cell again, or go back to where you were.",
    player:
      "The kernel has ended. What was loaded can still be watched; run this cell again for the rest.",
    annotator: (/** @type {string} */ file) =>
      `The kernel has ended. What was saved until then is in ${file}; nothing more is saved. Run this cell again to go on.`,
    unsaved:
      "What is not saved is lost when this page is closed or the cell is run again: note the times below that you still need.",
    live: "The kernel has ended: nothing is looked at any more. Run this cell again, and press Start.",
    recorded: (/** @type {string} */ folder) =>
      `What was recorded until then is kept: vl.Recording(${folder}).`,
    gallery:
      "The kernel has ended. Filters and order still work, but no video opens. Run this cell again.",
    quiz: "The kernel has ended. Every committed answer is kept: run this cell again, give the same name, and you go on where you were.",
    unkeptQuiz:
      "The kernel has ended, and the answers with it: they were kept in no file (scores=). Run this cell again to begin anew.",
    sampling:
      "The kernel has ended. All that is here still works; run this cell again for Python to hear of it.",
  },
  indexing: "Reading the frame times",
  repackaging: (/** @type {string} */ codec) => `Repackaging ${codec} for the browser`,
  transcoding: (/** @type {string} */ codec) => `Transcoding ${codec} → H.264`,
  loading: (/** @type {string} */ amount) => `Loading ${amount}`,

  annotator: "Marked segments",
  yours: "yours",
  labels: "Labels",
  findLabel: "Find a label",
  findLabelHint: "A part of its name; Enter takes the first one",
  segments: "Segments",
  label: "Label",
  start: "Start",
  end: "End",
  markHint:
    "Press a label or its number where it starts, and again where it ends. Or select first, and press once.",
  begun: (/** @type {string} */ label, /** @type {string} */ time) =>
    `${label}, from ${time}: press it again, or Enter, where it ends. Esc gives it up.`,
  begunSpoken: (/** @type {string} */ label) => `${label} begun`,
  givenUp: "Given up",
  marked: (/** @type {string} */ label) => `${label} marked`,
  removed: (/** @type {string} */ label) => `${label} removed`,
  noneHere: "No segment is marked here.",
  undo: "Take back (Ctrl+Z)",
  redo: "Do again (Ctrl+Shift+Z)",
  undone: "Taken back",
  redone: "Done again",
  numSegments: (/** @type {number} */ count) => (count === 1 ? "1 segment" : `${count} segments`),
  saving: "saving …",
  savedIn: (/** @type {string} */ file) => `saved in ${file}`,
  savedTo: (/** @type {string} */ file) => `to be saved in ${file}`,
  notSaved: "not saved",
  addedLabels: (/** @type {string} */ labels, /** @type {string} */ file) =>
    `Labels added from ${file}: ${labels}`,
  relabel: (/** @type {string} */ segment) => `Label of ${segment}`,
  goToStart: "Go to the first frame",
  goToEnd: "Go to the last frame",
  remove: (/** @type {string} */ segment) => `Remove ${segment}`,

  live: {
    name: (/** @type {string} */ source) => `Live: ${source}`,
    controls: "Camera and models",
    start: "Start",
    stop: "Stop",
    reset: "Reset",
    resetHint: "Let the models forget what they have seen",
    cameras: "Camera",
    cameraNumber: (/** @type {number} */ number) => `Camera ${number}`,
    pressStart:
      "Press Start. The browser asks whether this page may use the camera; pictures go to this notebook's kernel, and nowhere else.",
    pressStartSource: (/** @type {string} */ source) => `Press Start to play ${source}.`,
    askingCamera: "The browser asks whether this page may use the camera: allow it there.",
    opening: "Opening …",
    elsewhere: "The camera is on where Start was pressed. Its answers are shown here too.",
    failures: {
      refused:
        "The browser does not let this page use the camera. Click the symbol at the left of the address bar, allow the camera, and press Start again.",
      none: "No camera was found. Connect one and press Start again.",
      busy: "The camera does not start: another program or page is probably using it. Close that, and press Start again.",
      insecure:
        "Browsers give a camera only to pages that are secure. Open this notebook at localhost or over https, or use a camera of the kernel's machine: Live(models, source=0).",
      lost: "The camera was unplugged, or the browser took it away. Connect it and press Start again.",
    },
    failed: (/** @type {string} */ why) => `The camera does not start: ${why}`,
    waiting: "Waiting for the first answer …",
    noAnswer: "no answer yet",
    running: "running",
    stopped: "Stopped.",
    ended: "The source has come to its end.",
    busyKernel: (/** @type {number} */ seconds) =>
      `The kernel has not answered for ${seconds} s: it is busy with another cell, or not running. Frames are dropped until it answers.`,
    lost: (/** @type {string} */ why) => why || "The source was lost; it is tried again.",
    numbers: (/** @type {string} */ rate, /** @type {number} */ dropped) =>
      `${rate} answers/s, ${dropped} dropped`,
    numbersHint:
      "Answers a second lately, and frames that were not looked at because a newer one had come while the model was busy",
    latency: (/** @type {number} */ median, /** @type {number} */ p95) =>
      `${median} ms to label, 95 %: ${p95} ms`,
    latencyHint: {
      screen: "From the camera to the label on the screen: median and 95th percentile",
      kernel: "From the picture's arrival to the answer: median and 95th percentile",
    },
    timeline: "What was seen in the last minute",
    ago: (/** @type {number} */ seconds) => `−${seconds} s`,
    now: "now",
    events: "Events",
    noEvents: "Nothing yet.",
    kinds: { seen: "seen", done: "done in time", missed: "missed", open: "still open" },
  },

  gallery: {
    name: (/** @type {string} */ count) => `Gallery: ${count} ${count === "1" ? "video" : "videos"}`,
    filters: "Filters and order",
    search: "Search",
    searchHint: "All of the words, in any column",
    label: "Label",
    anyLabel: "any label",
    predicted: "Predicted label",
    anyPredicted: "any prediction",
    model: "Model",
    anyModel: "any model",
    verdict: "Right or wrong",
    anyVerdict: "right and wrong",
    rightOnly: "right",
    wrongOnly: "wrong",
    probability: "Probability",
    low: "Probability, at least",
    high: "Probability, at most",
    sort: "Order",
    asGiven: "as given",
    ascending: "Smallest first; press to turn round",
    descending: "Largest first; press to turn round",
    clear: "Show all",
    count: (/** @type {string} */ shown, /** @type {string} */ all) =>
      shown === all ? `${all} ${all === "1" ? "video" : "videos"}` : `${shown} of ${all}`,
    selected: (/** @type {string} */ count) => `${count} selected`,
    cards: "Videos",
    hint: "Click selects, Shift+click a range, Ctrl+click one more, Ctrl+A all, Esc none. Arrows move, Space selects, double-click or Enter opens.",
    noneFits: "No video fits these filters.",
    noRows: "The table has no rows. Give a DataFrame with a column “video”, one row a video:",
    noLabel: "no label",
    noAnswer: "no answer",
    divergence: (/** @type {string} */ value) =>
      `Divergence of the models’ answers (Jensen-Shannon): ${value} nats`,
    opening: (/** @type {string} */ video) => `Opening ${video} …`,
    confusion: "Confusion",
    confusionModel: "Model of the confusion matrix",
    confused: (/** @type {string} */ errors, /** @type {string} */ clips) =>
      `${errors} of ${clips} wrong`,
    axes: "label ↓  predicted →",
    takenFor: (
      /** @type {string} */ label,
      /** @type {string} */ predicted,
      /** @type {string} */ count,
      /** @type {string} */ total,
    ) => `${label} taken for ${predicted}: ${count} of ${total}`,
    removeCell: (/** @type {string} */ cell) => `Only ${cell}; press to show the others, too`,
    labelsLeftOut: (
      /** @type {string} */ shown,
      /** @type {string} */ all,
      /** @type {string} */ errorsShown,
      /** @type {string} */ errors,
    ) =>
      `The ${shown} labels with the commonest errors, of ${all}; ${errorsShown} of the ${errors} errors are between them.`,
    silent: (/** @type {number} */ seconds) =>
      `No picture has come for ${seconds} s: the kernel is busy, or not running. If it is not running, run this cell again.`,
  },

  sampling: {
    name: (/** @type {string} */ title, /** @type {string} */ video) =>
      `Sampling lab: ${title} on ${video}`,
    choices: "How frames are taken",
    fps: "Rate",
    stride: "Stride",
    phase: "Phase",
    crop: "Crop",
    hints: {
      fps: "Frames a second that the model sees",
      stride: "Frames of the video from one that the model sees to the next",
      phase: "When the first frame is taken, as a share of the way to the next one",
      crop: "What is cut out of each frame",
    },
    rate: (/** @type {string} */ fps) => `${fps} fps`,
    every: (/** @type {number} */ stride) =>
      stride === 1 ? "every frame" : `every ${stride} frames`,
    uneven: "varies",
    crops: {
      centre: "whole",
      closer: "closer",
      left: "left",
      right: "right",
      up: "up",
      down: "down",
    },
    picture: (/** @type {string} */ crop) => `What the model sees of a frame: ${crop}`,
    isDefault: "This is the default setting.",
    same: "The same label as with the default setting.",
    other: (/** @type {string} */ label, /** @type {string} */ byDefault) =>
      `Another label: “${label}”; with the default setting “${byDefault}”.`,
    byDefault: (/** @type {string} */ setting) => `Default: ${setting}`,
    label: "Label shown over time",
    chart: "Probability over time",
    line: "this setting",
    median: "median of all",
    range: "lowest to highest",
    words: (
      /** @type {number} */ count,
      /** @type {number} */ all,
      /** @type {string} */ label,
      /** @type {string} */ low,
      /** @type {string} */ high,
    ) =>
      `${count} of ${all} ${all === 1 ? "setting says" : "settings say"} “${label}”; its probability at the end ${low === high ? `is ${low}` : `lies between ${low} and ${high}`}.`,
    settings: "All settings",
  },

  quiz: {
    name: (/** @type {number} */ num) => `Quiz: ${num} ${num === 1 ? "clip" : "clips"}`,
    yourName: "Your name",
    nameHint: "A nickname will do. It is kept beside your answers.",
    start: "Begin",
    clip: (/** @type {number} */ number, /** @type {number} */ num) => `Clip ${number} of ${num}`,
    picture: "The clip, without sound",
    loading: "Loading the clip …",
    play: "Play",
    pause: "Pause",
    thinking: "The models are still thinking about this clip …",
    question: "What do you see?",
    choices: "Choices",
    howSure: "How sure are you?",
    sure: { guess: "a guess", think: "I think so", sure: "sure" },
    hint: (/** @type {number} */ count) => `Keys 1 to ${count} choose, Enter commits`,
    commit: "Commit",
    commitHint: "Commit for good, and see what the models say (Enter)",
    next: "Next",
    finish: "See how it went",
    skip: "Skip this clip",
    problems: {
      clip: "This clip cannot be shown: its file is missing or damaged. It does not count.",
      answer: "Nobody knows what this clip shows, the models neither. It does not count.",
    },
    youAreRight: "Right.",
    youAreWrong: "Not this one.",
    truthIs: (/** @type {string} */ label) => `It is: ${label}.`,
    modelsSay: (/** @type {string} */ label) =>
      `The true label is not known; what the models say counts as right: ${label}.`,
    rightOne: "right answer",
    rightColumn: "Right",
    yours: "your answer",
    notItsLabel: "does not know this label",
    you: "You",
    scores: "Scores",
    who: "Who",
    share: "Share",
    done: (/** @type {number} */ right, /** @type {number} */ count) =>
      `You got ${right} of ${count} right`,
    rightOf: (/** @type {number} */ right, /** @type {number} */ count) =>
      `${right} of ${count} right`,
    bySureness: "How sure you were",
    differences: "Where you and a model part",
    noDifferences: "Nowhere: you and the models were right, and wrong, on the same clips.",
    clipColumn: "Clip",
    answerColumn: "Right answer",
    earlier: "Earlier attempts",
    attempt: (/** @type {number} */ attempt) => `Attempt ${attempt}`,
    again: "Once more",
  },

  /** @type {[string, string, ("compared" | "audio")?][]} */
  annotatorKeys: [
    ["1  2  …", "start a segment of that label, end it, or label the selection"],
    ["Enter  Esc", "end the segment that is begun, or give it up"],
    ["e", "move the nearest edge to this frame"],
    ["Delete", "remove the segment at this frame"],
    ["Ctrl+Z", "take the last change back; with Shift do it again"],
  ],
  /** @type {[string, string, ("compared" | "audio")?][]} */
  keyList: [
    ["Space", "play or pause"],
    [",  .", "one frame back or on"],
    ["←  →", "one second back or on; with Shift ten"],
    ["Home  End", "first or last frame"],
    ["[  ]", "selection starts or ends at this frame; Esc clears it"],
    ["n  p", "next or previous disagreement", "compared"],
    ["+  -  0", "zoom the timeline in, out, to the whole video"],
    ["l", "loop the selection, or everything"],
    ["m", "sound on or off", "audio"],
    ["f", "full screen"],
    ["?", "show or hide these keys"],
  ],
};

/** @typedef {typeof ENGLISH} Texts */

/** @type {Texts} */
const KOREAN = {
  language: "ko",
  player: (name) => `동영상 플레이어: ${name}`,
  playback: "재생",
  play: "재생 (스페이스)",
  pause: "일시정지 (스페이스)",
  first: "첫 프레임 (Home)",
  previous: "이전 프레임 (,)",
  next: "다음 프레임 (.)",
  last: "마지막 프레임 (End)",
  speed: "재생 속도",
  soundOff: "소리 끄기 (m)",
  soundOn: "소리 켜기 (m)",
  loop: "반복 재생 (l)",
  loopSelection: "선택 구간 반복 재생 (l)",
  fullScreen: "전체 화면 (f)",
  leaveFullScreen: "전체 화면 끝내기 (f)",
  noFullScreen: "브라우저가 여기서는 전체 화면을 허용하지 않습니다.",
  settings: "설정",
  keys: "단축키 (?)",
  frame: "프레임",
  frameInput: "이동할 프레임 번호, 또는 0:01.5 같은 시각",
  frameInputHint:
    "프레임 번호나 0:01.5 같은 시각을 적고 Enter를 누르면 그곳으로 이동합니다. 첫 프레임은 0입니다.",
  notAPlace: (typed) => `“${typed}”은(는) 프레임 번호도, 0:01.5 같은 시각도 아닙니다.`,
  progress: "진행률",
  tryAgain: "다시 시도",

  timeline: "타임라인",
  timelineHint: "끌어서 이동, Shift+끌기로 구간 선택, 휠로 확대",
  touchHint: "끌어서 이동, 두 손가락으로 확대, ⚙에서 구간 선택",
  truth: "정답",
  model: "모델",
  noPredictionHere: "예측 없음",
  noTruthHere: "정답 없음",
  unknownTruth: (names) => `? ${names} (이 레이블을 아는 모델이 없음)`,
  divergenceAt: (value) => `모델 간 차이 ${value} nats`,
  clipSeen: (first, last) => `본 프레임: ${first} ~ ${last}`,
  selected: (count, seconds) => `${count}개 프레임 선택됨 (${seconds}초)`,
  clearSelection: "선택 해제 (Esc)",
  zoomIn: "확대 (+)",
  zoomOut: "축소 (-)",
  zoomAll: "전체 보기 (0)",

  topOf: (count, title) => `${title}의 상위 ${count}개 예측`,
  right: "맞음",
  wrong: "틀림",
  rightShare: (share) => `✓ ${share}`,
  rightShareHint: (right, known) => `정답이 있는 예측 ${known}개 중 ${right}개가 맞음`,
  predictionsFailed: (why) => `예측을 표시할 수 없습니다: ${why}`,
  overlaysFailed: (why) => `상자, 키포인트, 곡선, 히트맵을 표시할 수 없습니다: ${why}`,
  noPredictions: "아직 예측이 없습니다. 예측하면 프레임마다 모델의 답을 볼 수 있습니다:",

  divergencePeak: (value) => `Δ 모델 간 차이, 최대 ${value} nats`,
  agree: "모든 구간에서 모델이 일치합니다",
  disagreements: (count) => `불일치 ${count}곳`,
  disagreementOf: (index, count) => `불일치 ${count}곳 중 ${index}번째`,
  previousDisagreement: "이전 불일치 (p)",
  nextDisagreement: "다음 불일치 (n)",
  noneAfter: "이 프레임 뒤에는 불일치가 없습니다.",
  noneBefore: "이 프레임 앞에는 불일치가 없습니다.",

  drawOnPicture: "화면 표시",
  overlays: {
    label: "레이블",
    caption: "검은 바탕 레이블",
    bars: "막대",
    boxes: "상자",
    keypoints: "키포인트",
    heat: "히트맵",
  },
  coloredBy: "뼈대 색 기준",
  colors: { person: "사람", confidence: "신뢰도", model: "모델" },
  heatShown: "히트맵 선택",
  heatOpacity: "히트맵 불투명도",
  heatAbout: (what, label, prob) => `${label}의 ${what}, ${prob}`,
  heatKinds: { "drop of probability": "확률 감소" },
  noHeatHere: "이 프레임에는 히트맵이 없습니다",
  goToHeat: (frame) => `가장 가까운 프레임: ${frame}`,
  apartOf: (mean) => `평균 ${mean}`,
  readings: "이 프레임의 값",
  threshold: "임곗값",
  thresholdHint: "이보다 낮은 예측은 흐리게 표시됩니다",
  thresholdUse: "임곗값 사용",
  playing: "재생",
  loopShort: "반복",
  zoom: "타임라인",
  whole: "전체",
  selection: "구간",
  selectFrom: "여기부터",
  selectTo: "여기까지",
  selectFromHere: "여기부터: 이 프레임부터 선택 ([)",
  selectToHere: "여기까지: 이 프레임까지 선택 (])",

  transcodedFrom: (codec) => `${codec}에서 변환됨`,
  repackaged: "형식만 다시 묶음",
  scaled: "실제보다 작게 표시됨",
  noH264:
    "이 브라우저는 H.264 동영상을 재생할 수 없습니다. Chrome, Edge, Firefox, Safari처럼 재생할 수 있는 브라우저에서 노트북을 여십시오.",
  wantsClick: "소리를 재생하려면 페이지를 한 번 클릭해야 합니다. 재생 버튼을 누르십시오.",
  opening: "동영상을 여는 중 …",
  asking: "커널에 동영상을 요청하는 중 …",
  silent: (seconds) =>
    `커널이 ${seconds}초 동안 응답하지 않습니다. 다른 셀을 실행하고 있거나 꺼져 있습니다. 꺼져 있다면 이 셀을 다시 실행하십시오.`,
  kernelEnded: {
    short: "커널이 종료되었습니다. 이 셀을 다시 실행하십시오.",
    notLoaded:
      "커널이 종료되기 전에 불러오지 못한 부분입니다. 이 셀을 다시 실행하거나, 보던 곳으로 돌아가십시오.",
    player:
      "커널이 종료되었습니다. 불러온 부분은 계속 볼 수 있습니다. 나머지를 보려면 이 셀을 다시 실행하십시오.",
    annotator: (file) =>
      `커널이 종료되었습니다. 그때까지 저장한 것은 ${file}에 있고, 이제부터는 저장되지 않습니다. 이어서 하려면 이 셀을 다시 실행하십시오.`,
    unsaved:
      "저장되지 않은 것은 이 페이지를 닫거나 셀을 다시 실행하면 사라집니다. 필요한 시각을 아래 목록에서 적어 두십시오.",
    live: "커널이 종료되어 더 이상 예측하지 않습니다. 이 셀을 다시 실행하고 시작을 누르십시오.",
    recorded: (folder) => `그때까지 기록한 것은 남아 있습니다: vl.Recording(${folder})`,
    gallery:
      "커널이 종료되었습니다. 필터와 정렬은 계속 쓸 수 있지만 동영상은 열리지 않습니다. 이 셀을 다시 실행하십시오.",
    quiz: "커널이 종료되었습니다. 제출한 답은 모두 남아 있습니다. 이 셀을 다시 실행하고 같은 이름을 적으면 이어서 할 수 있습니다.",
    unkeptQuiz:
      "커널이 종료되어 답이 사라졌습니다. 파일(scores=)에 저장하지 않았기 때문입니다. 이 셀을 다시 실행하면 처음부터 시작합니다.",
    sampling:
      "커널이 종료되었습니다. 여기 있는 것은 모두 그대로 쓸 수 있습니다. Python과 다시 연결하려면 이 셀을 다시 실행하십시오.",
  },
  indexing: "프레임 시각을 읽는 중",
  repackaging: (codec) => `브라우저에 맞게 ${codec} 다시 묶는 중`,
  transcoding: (codec) => `${codec} → H.264 변환 중`,
  loading: (amount) => `불러오는 중 ${amount}`,

  annotator: "표시한 구간",
  yours: "표시",
  labels: "레이블",
  findLabel: "레이블 찾기",
  findLabelHint: "이름의 일부를 적습니다. Enter를 누르면 첫 번째 레이블을 고릅니다",
  segments: "구간 목록",
  label: "레이블",
  start: "시작",
  end: "끝",
  markHint:
    "시작하는 곳에서 레이블이나 그 번호를 누르고, 끝나는 곳에서 다시 누릅니다. 구간을 먼저 선택했다면 한 번만 누릅니다.",
  begun: (label, time) =>
    `${label}, ${time}부터: 끝나는 곳에서 다시 누르거나 Enter를 누릅니다. Esc로 취소합니다.`,
  begunSpoken: (label) => `${label} 시작`,
  givenUp: "취소함",
  marked: (label) => `${label} 표시함`,
  removed: (label) => `${label} 삭제함`,
  noneHere: "여기에는 표시한 구간이 없습니다.",
  undo: "되돌리기 (Ctrl+Z)",
  redo: "다시 하기 (Ctrl+Shift+Z)",
  undone: "되돌림",
  redone: "다시 함",
  numSegments: (count) => `구간 ${count}개`,
  saving: "저장하는 중 …",
  savedIn: (file) => `${file}에 저장됨`,
  savedTo: (file) => `${file}에 저장 예정`,
  notSaved: "저장되지 않음",
  addedLabels: (labels, file) => `${file}에서 추가된 레이블: ${labels}`,
  relabel: (segment) => `${segment}의 레이블`,
  goToStart: "첫 프레임으로 이동",
  goToEnd: "마지막 프레임으로 이동",
  remove: (segment) => `${segment} 삭제`,

  live: {
    name: (source) => `실시간: ${source}`,
    controls: "카메라와 모델",
    start: "시작",
    stop: "중지",
    reset: "초기화",
    resetHint: "모델이 지금까지 본 것을 잊게 합니다",
    cameras: "카메라",
    cameraNumber: (number) => `카메라 ${number}`,
    pressStart:
      "시작을 누르십시오. 브라우저가 카메라를 사용해도 되는지 묻습니다. 화면은 이 노트북의 커널로만 전송됩니다.",
    pressStartSource: (source) => `시작을 누르면 ${source} 재생이 시작됩니다.`,
    askingCamera: "브라우저가 카메라 사용을 허용할지 묻고 있습니다. 허용을 누르십시오.",
    opening: "여는 중 …",
    elsewhere: "카메라는 시작을 누른 곳에서 켜져 있습니다. 예측은 여기에도 표시됩니다.",
    failures: {
      refused:
        "브라우저가 이 페이지의 카메라 사용을 막고 있습니다. 주소 표시줄 왼쪽의 아이콘을 눌러 카메라를 허용한 뒤 다시 시작을 누르십시오.",
      none: "카메라를 찾을 수 없습니다. 카메라를 연결한 뒤 다시 시작을 누르십시오.",
      busy: "카메라가 켜지지 않습니다. 다른 프로그램이나 페이지가 쓰고 있을 수 있습니다. 그것을 닫은 뒤 다시 시작을 누르십시오.",
      insecure:
        "브라우저는 안전한 페이지에서만 카메라를 허용합니다. 노트북을 localhost나 https 주소로 여십시오. 커널이 있는 컴퓨터의 카메라를 쓸 수도 있습니다: Live(models, source=0)",
      lost: "카메라가 빠졌거나 브라우저가 카메라를 껐습니다. 다시 연결한 뒤 시작을 누르십시오.",
    },
    failed: (why) => `카메라가 켜지지 않습니다: ${why}`,
    waiting: "첫 예측을 기다리는 중 …",
    noAnswer: "아직 예측 없음",
    running: "실행 중",
    stopped: "중지되었습니다.",
    ended: "영상이 끝났습니다.",
    busyKernel: (seconds) =>
      `커널이 ${seconds}초 동안 응답하지 않습니다. 다른 셀을 실행하고 있거나 꺼져 있습니다. 응답할 때까지 프레임을 건너뜁니다.`,
    lost: (why) => (why ? `연결이 끊겨 다시 시도하고 있습니다: ${why}` : "연결이 끊겨 다시 시도하고 있습니다."),
    numbers: (rate, dropped) => `초당 예측 ${rate}회, 건너뜀 ${dropped}`,
    numbersHint: "최근의 초당 예측 횟수와, 모델이 바쁜 동안 새 프레임이 와서 보지 않고 건너뛴 프레임의 수",
    latency: (median, p95) => `레이블까지 ${median} ms, 95 %: ${p95} ms`,
    latencyHint: {
      screen: "카메라에 찍힌 뒤 화면에 레이블이 보일 때까지 걸린 시간: 중앙값과 95번째 백분위수",
      kernel: "화면이 도착한 뒤 예측이 나올 때까지 걸린 시간: 중앙값과 95번째 백분위수",
    },
    timeline: "최근 1분 동안 본 것",
    ago: (seconds) => `${seconds}초 전`,
    now: "지금",
    events: "이벤트",
    noEvents: "아직 없습니다.",
    kinds: { seen: "감지됨", done: "시간 안에 완료", missed: "놓침", open: "진행 중" },
  },

  gallery: {
    name: (count) => `갤러리: 동영상 ${count}개`,
    filters: "필터와 정렬",
    search: "검색",
    searchHint: "입력한 단어가 모두 있는 동영상을 모든 열에서 찾습니다",
    label: "레이블",
    anyLabel: "모든 레이블",
    predicted: "예측 레이블",
    anyPredicted: "모든 예측",
    model: "모델",
    anyModel: "모든 모델",
    verdict: "정답 여부",
    anyVerdict: "맞음과 틀림",
    rightOnly: "맞음",
    wrongOnly: "틀림",
    probability: "확률",
    low: "확률 최솟값",
    high: "확률 최댓값",
    sort: "정렬",
    asGiven: "원래 순서",
    ascending: "오름차순 (누르면 반대로)",
    descending: "내림차순 (누르면 반대로)",
    clear: "전체 보기",
    count: (shown, all) => (shown === all ? `${all}개` : `${all}개 중 ${shown}개`),
    selected: (count) => `${count}개 선택됨`,
    cards: "동영상",
    hint: "클릭으로 선택, Shift+클릭으로 범위 선택, Ctrl+클릭으로 추가, Ctrl+A로 모두 선택, Esc로 해제합니다. 화살표로 이동, 스페이스로 선택, 두 번 클릭이나 Enter로 엽니다.",
    noneFits: "조건에 맞는 동영상이 없습니다.",
    noRows: "표에 행이 없습니다. 동영상마다 한 행씩, “video” 열이 있는 DataFrame을 넣으십시오:",
    noLabel: "레이블 없음",
    noAnswer: "예측 없음",
    divergence: (value) => `모델 예측 간 차이 (Jensen-Shannon): ${value} nats`,
    opening: (video) => `${video} 여는 중 …`,
    confusion: "혼동 행렬",
    confusionModel: "혼동 행렬의 모델",
    confused: (errors, clips) => `${clips}개 중 ${errors}개 틀림`,
    axes: "레이블 ↓  예측 →",
    takenFor: (label, predicted, count, total) =>
      `${label}을(를) ${predicted}(으)로 예측: ${total}개 중 ${count}개`,
    removeCell: (cell) => `${cell}만 표시 중 (누르면 나머지도 표시)`,
    labelsLeftOut: (shown, all, errorsShown, errors) =>
      `레이블 ${all}개 중 가장 흔한 오류의 ${shown}개입니다. 오류 ${errors}개 중 ${errorsShown}개가 이들 사이에 있습니다.`,
    silent: (seconds) =>
      `${seconds}초 동안 그림이 오지 않았습니다. 커널이 바쁘거나 꺼져 있습니다. 꺼져 있다면 이 셀을 다시 실행하십시오.`,
  },

  sampling: {
    name: (title, video) => `샘플링 실험실: ${video}에 대한 ${title}`,
    choices: "프레임을 고르는 방법",
    fps: "속도",
    stride: "간격",
    phase: "위상",
    crop: "자르기",
    hints: {
      fps: "모델이 1초 동안 보는 프레임 수",
      stride: "모델이 보는 두 프레임 사이의 간격 (동영상 프레임 수)",
      phase: "첫 프레임을 고르는 때 (다음 프레임까지의 간격에 대한 비율)",
      crop: "프레임에서 잘라 내는 부분",
    },
    rate: (fps) => `${fps} fps`,
    every: (stride) => (stride === 1 ? "모든 프레임" : `${stride}프레임마다`),
    uneven: "일정하지 않음",
    crops: {
      centre: "전체",
      closer: "가운데",
      left: "왼쪽",
      right: "오른쪽",
      up: "위",
      down: "아래",
    },
    picture: (crop) => `프레임에서 모델이 보는 부분: ${crop}`,
    isDefault: "기본 설정입니다.",
    same: "기본 설정과 레이블이 같습니다.",
    other: (label, byDefault) =>
      `기본 설정과 레이블이 다릅니다: 지금은 “${label}”, 기본 설정은 “${byDefault}”.`,
    byDefault: (setting) => `기본: ${setting}`,
    label: "시간에 따라 볼 레이블",
    chart: "시간에 따른 확률",
    line: "이 설정",
    median: "전체 중앙값",
    range: "최솟값 – 최댓값",
    words: (count, all, label, low, high) =>
      `설정 ${all}개 중 ${count}개의 답이 “${label}”입니다. 끝에서 이 레이블의 확률은 ${low === high ? low : `${low}에서 ${high} 사이`}입니다.`,
    settings: "모든 설정",
  },

  quiz: {
    name: (num) => `퀴즈: 클립 ${num}개`,
    yourName: "이름",
    nameHint: "별명도 괜찮습니다. 답과 함께 저장됩니다.",
    start: "시작",
    clip: (number, num) => `클립 ${number} / ${num}`,
    picture: "소리 없는 클립",
    loading: "클립을 불러오는 중 …",
    play: "재생",
    pause: "일시정지",
    thinking: "모델이 아직 이 클립을 보고 있습니다 …",
    question: "무엇이 보입니까?",
    choices: "보기",
    howSure: "얼마나 확신합니까?",
    sure: { guess: "추측", think: "아마도", sure: "확실함" },
    hint: (count) => `1~${count} 키로 선택, Enter로 확정`,
    commit: "확정",
    commitHint: "확정하면 바꿀 수 없고, 모델의 답이 나타납니다 (Enter)",
    next: "다음",
    finish: "결과 보기",
    skip: "이 클립 건너뛰기",
    problems: {
      clip: "파일이 없거나 손상되어 이 클립을 보여 줄 수 없습니다. 점수에 넣지 않습니다.",
      answer: "정답도 모델의 답도 없는 클립입니다. 점수에 넣지 않습니다.",
    },
    youAreRight: "맞았습니다.",
    youAreWrong: "틀렸습니다.",
    truthIs: (label) => `정답: ${label}`,
    modelsSay: (label) => `정답이 알려져 있지 않아 모델의 답을 정답으로 봅니다: ${label}`,
    rightOne: "정답",
    rightColumn: "맞음",
    yours: "내 답",
    notItsLabel: "이 레이블을 모름",
    you: "나",
    scores: "점수",
    who: "이름",
    share: "정답률",
    done: (right, count) => `${count}개 중 ${right}개를 맞혔습니다`,
    rightOf: (right, count) => `${count}개 중 ${right}개 맞음`,
    bySureness: "확신한 정도",
    differences: "나와 모델이 갈린 클립",
    noDifferences: "없습니다. 나와 모델이 같은 클립에서 맞고 틀렸습니다.",
    clipColumn: "클립",
    answerColumn: "정답",
    earlier: "지난 시도",
    attempt: (attempt) => `${attempt}번째 시도`,
    again: "다시 하기",
  },

  annotatorKeys: [
    ["1  2  …", "그 레이블의 구간을 시작, 종료하거나 선택한 구간에 레이블 지정"],
    ["Enter  Esc", "시작한 구간을 종료, 취소"],
    ["e", "가장 가까운 경계를 이 프레임으로 이동"],
    ["Delete", "이 프레임의 구간 삭제"],
    ["Ctrl+Z", "마지막 변경을 되돌리기 (Shift와 함께 다시 하기)"],
  ],
  keyList: [
    ["Space", "재생 또는 일시정지"],
    [",  .", "한 프레임 뒤로, 앞으로"],
    ["←  →", "1초 뒤로, 앞으로 (Shift와 함께 10초)"],
    ["Home  End", "첫 프레임, 마지막 프레임"],
    ["[  ]", "이 프레임을 선택 구간의 시작, 끝으로 (Esc로 해제)"],
    ["n  p", "다음, 이전 불일치", "compared"],
    ["+  -  0", "타임라인 확대, 축소, 전체 보기"],
    ["l", "선택 구간이나 전체를 반복"],
    ["m", "소리 켜기, 끄기", "audio"],
    ["f", "전체 화면"],
    ["?", "단축키 보기, 숨기기"],
  ],
};

/**
 * The texts of a locale; without one, those of the page's language, then of the first of the
 * browser's languages that there are texts in. English says nothing of a page: it is what
 * JupyterLab, and most of the others, say of themselves until somebody chooses.
 * @param {string | null | undefined} locale
 * @returns {Texts}
 */
export function textsOf(locale) {
  if (locale) return textsIn(locale) ?? ENGLISH;
  const page = textsIn(document.documentElement.lang);
  if (page && page !== ENGLISH) return page;
  return navigator.languages.map(textsIn).find((texts) => texts) ?? ENGLISH;
}

/** @param {string} language @returns {Texts | undefined} */
function textsIn(language) {
  if (/^ko\b/i.test(language)) return KOREAN;
  return /^en\b/i.test(language) ? ENGLISH : undefined;
}

/**
 * What is being waited for, in words, and how much of it is done.
 * @param {Texts} texts
 * @param {Progress} progress
 * @returns {[string, number | undefined]}
 */
export function waitText(texts, { phase, codec = "", fraction }) {
  if (phase === "kernel") {
    const isLong = fraction !== undefined && fraction >= 1;
    return [isLong ? texts.silent(Math.round(fraction)) : texts.asking, undefined];
  }
  const share = fraction === undefined ? "" : `, ${percent(fraction)}`;
  switch (phase) {
    case "indexing":
      return [`${texts.indexing}${share || " …"}`, fraction];
    case "remuxing":
      return [texts.repackaging(codec) + share, fraction];
    case "transcoding":
      return [texts.transcoding(codec) + share, fraction];
    case "loading":
      return [texts.loading(codec), fraction];
    case "ended":
      return [texts.kernelEnded.notLoaded, undefined];
    default:
      return [`${phase}${share}`, fraction];
  }
}
